import Tensors

extension Graph {
  /// Gives every value the type that its node's rule tells, in one walk over the nodes, sub-graphs included.
  ///
  /// Extents stay symbolic where they depend on the inputs. A declared type is kept where it says more.
  /// Results of operators without a rule keep their declared types. Operators must be in their newest form.
  /// - Throws: `GraphError.invalidNode` when a node breaks its rule, `.typeConflict` when a declared element
  ///   type contradicts the rule's.
  public mutating func inferTypes() throws(GraphError) {
    try inferTypes(captured: [:])
  }

  /// What the enclosing graph knows about a captured value.
  struct CapturedValue {
    var type: ValueType?
    var constant: Tensor?
    var elements: [Dimension]?
  }

  mutating func inferTypes(captured: [ValueID: CapturedValue]) throws(GraphError) {
    var inference = TypeInference(graph: self, captured: captured)
    try inference.run()
    self = inference.graph
  }
}

/// One walk over one graph, or the first part of it: nodes may be appended one by one.
struct TypeInference {
  var graph: Graph
  /// Partly known elements of size vectors, by value.
  private var elements: [[Dimension]?]
  private(set) var constants: [Tensor?]

  init(graph: Graph, captured: [ValueID: Graph.CapturedValue]) {
    self.graph = graph
    elements = Array(repeating: nil, count: graph.values.count)
    constants = graph.values.map(\.constant)
    for input in graph.inputs { constants[Int(input.index)] = nil }
    for (id, known) in captured {
      if self.graph[id].type == nil { self.graph[id].type = known.type }
      elements[Int(id.index)] = known.elements
      constants[Int(id.index)] = known.constant
    }
  }

  mutating func run() throws(GraphError) {
    try recordConstants()
    for index in graph.nodes.indices { try infer(node: index) }
  }

  /// The first step: constants have the types of their tensors.
  mutating func recordConstants() throws(GraphError) {
    for value in graph.values where value.type?.tensor?.dimensions?.count ?? 0 > TensorType.maximumRank {
      throw .invalidGraph(reason: "value '\(value.name)' has more than \(TensorType.maximumRank) axes")
    }
    for index in graph.values.indices {
      guard let tensor = graph.values[index].constant else { continue }
      try record(ValueID(index), .tensor(TensorType(tensor.type, shape: tensor.shape)))
    }
  }

  /// Adds a node at the end, whose inputs have been walked over.
  mutating func append(_ node: Node) throws(GraphError) {
    graph.nodes.append(node)
    try infer(node: graph.nodes.count - 1)
  }

  /// Adds a value that the graph does not have yet.
  mutating func addValue(_ value: Value) -> ValueID {
    elements.append(nil)
    constants.append(value.constant)
    return graph.addValue(value)
  }

  private mutating func infer(node index: Int) throws(GraphError) {
    try inferBodies(of: index)
    var node = graph.nodes[index]
    guard let rule = OperatorTable.rule(for: node.op) else { return }
    node.name = graph.label(of: node)
    var context = InferenceContext(
      node: node,
      inputTypes: node.inputs.map { $0.isNone ? nil : graph[$0].type },
      constants: node.inputs.map { $0.isNone ? nil : constants[Int($0.index)] },
      elements: node.inputs.map { $0.isNone ? nil : elements[Int($0.index)] })
    try rule.infer(&context)
    for (position, output) in node.outputs.enumerated() where !output.isNone {
      if let type = context.outputTypes[position] { try record(output, type) }
      elements[Int(output.index)] = context.outputElements[position]
    }
  }

  private mutating func record(_ id: ValueID, _ inferred: ValueType) throws(GraphError) {
    guard let declared = graph[id].type else {
      graph[id].type = inferred
      return
    }
    guard let merged = ValueType.merge(declared: declared, inferred: inferred) else {
      throw .typeConflict(
        value: graph[id].name, declared: declared.description, inferred: inferred.description)
    }
    graph[id].type = merged
  }

  /// Types inside the sub-graphs of a node, from what they capture and what their inputs declare.
  private mutating func inferBodies(of index: Int) throws(GraphError) {
    for entry in graph.nodes[index].attributes.entries {
      switch entry.value {
      case .graph(let body):
        graph.nodes[index].attributes[entry.name] = .graph(try inferred(body, of: graph.nodes[index]))
      case .graphs(let bodies):
        var results: [Graph] = []
        for body in bodies { results.append(try inferred(body, of: graph.nodes[index])) }
        graph.nodes[index].attributes[entry.name] = .graphs(results)
      default: break
      }
    }
  }

  private func inferred(_ body: Graph, of node: Node) throws(GraphError) -> Graph {
    var body = body
    try body.inferTypes(captured: captured(by: &body, of: node))
    return body
  }

  /// What is known about the values that a sub-graph captures. Gives its inputs their types, too.
  func captured(by body: inout Graph, of node: Node) -> [ValueID: Graph.CapturedValue] {
    ControlFlowRules.setInputTypes(of: &body, node: node) { id in id.isNone ? nil : graph[id].type }
    var captured: [ValueID: Graph.CapturedValue] = [:]
    for capture in body.captures {
      let position = Int(capture.outer.index)
      captured[capture.inner] = Graph.CapturedValue(
        type: graph[capture.outer].type, constant: constants[position], elements: elements[position])
    }
    return captured
  }
}
