import Tensors

extension Model {
  /// Checks the graph, its sub-graphs and the bodies of its functions, as `Graph.verify` does.
  public func verify() throws(GraphError) {
    let own = Set(functions.map(\.op))
    try graph.verify(functions: own)
    for function in functions { try function.body.verifyStructure() }
  }
}

extension Graph {
  /// Checks that the graph is consistent, and that every operator is known and used with a permitted number of
  /// inputs and outputs and only attributes of its own. Operators must be in their newest form.
  /// - Parameter functions: operators that the model defines itself.
  /// - Throws: `GraphError` that names the node or value at fault.
  public func verify(functions: Set<OperatorName> = []) throws(GraphError) {
    try verifyStructure()
    try verifyOperators(functions)
  }

  /// Checks what holds for any operator and opset: references, unique names, one provider for each value,
  /// nodes in an order in which values are provided before they are read.
  public func verifyStructure() throws(GraphError) {
    var check = StructureCheck(self)
    try check.run()
  }

  private func verifyOperators(_ functions: Set<OperatorName>) throws(GraphError) {
    for node in nodes where !functions.contains(node.op) {
      guard let rule = OperatorTable.rule(for: node.op) else {
        throw .unknownOperator(name: label(of: node), op: node.op.description)
      }
      var named = node
      named.name = label(of: node)
      try rule.check(named)
      for body in node.bodies { try body.verifyOperators(functions) }
    }
  }
}

extension Node {
  /// The sub-graphs among the attributes.
  public var bodies: [Graph] {
    attributes.entries.flatMap { entry -> [Graph] in
      switch entry.value {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      default: []
      }
    }
  }
}

private struct StructureCheck {
  private let graph: Graph
  private var isProvided: [Bool]
  private var names: Set<String> = []

  init(_ graph: Graph) {
    self.graph = graph
    isProvided = Array(repeating: false, count: graph.values.count)
  }

  mutating func run() throws(GraphError) {
    for capture in graph.captures { try provide(capture.inner) }
    for input in graph.inputs { try provide(input) }
    let inputs = Set(graph.inputs)
    for index in graph.values.indices where graph.values[index].constant != nil {
      if !inputs.contains(ValueID(index)) { try provide(ValueID(index)) }
    }
    let writers = writers()
    for (index, node) in graph.nodes.enumerated() {
      try read(node, at: index, writers)
      for output in node.outputs where !output.isNone { try provide(output) }
    }
    for output in graph.outputs {
      try resolve(output, reader: "the graph's outputs")
    }
  }

  /// The first node that gives each value; nil for others.
  private func writers() -> [Int?] {
    var result = [Int?](repeating: nil, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for output in node.outputs where graph.values.indices.contains(Int(output.index)) {
        result[Int(output.index)] = result[Int(output.index)] ?? index
      }
    }
    return result
  }

  private func read(_ node: Node, at index: Int, _ writers: [Int?]) throws(GraphError) {
    let label = graph.label(of: node)
    for input in node.inputs where !input.isNone {
      try resolve(input, reader: "node '\(label)'", at: index, writers)
    }
    for body in node.bodies {
      for capture in body.captures {
        try resolve(capture.outer, reader: "a sub-graph of node '\(label)'", at: index, writers)
      }
      try body.verifyStructure()
    }
  }

  private func resolve(
    _ id: ValueID, reader: String, at index: Int = Int.max, _ writers: [Int?] = []
  ) throws(GraphError) {
    let position = Int(id.index)
    guard graph.values.indices.contains(position) else {
      throw .invalidGraph(reason: "graph '\(graph.name)': \(reader) names a value that does not exist")
    }
    if isProvided[position] { return }
    if index != Int.max, let writer = writers[position], writer >= index {
      if writer == index { throw .cycle(graph: graph.name, node: graph.label(of: graph.nodes[index])) }
      throw .invalidGraph(
        reason: "graph '\(graph.name)': \(reader) reads '\(graph[id].name)' before it is provided")
    }
    throw .undefinedValue(graph: graph.name, value: graph[id].name, reader: reader)
  }

  private mutating func provide(_ id: ValueID) throws(GraphError) {
    let position = Int(id.index)
    guard graph.values.indices.contains(position) else {
      throw .invalidGraph(reason: "graph '\(graph.name)' provides a value that does not exist")
    }
    let name = graph[id].name
    if isProvided[position] || !names.insert(name).inserted {
      throw .duplicateValue(graph: graph.name, value: name)
    }
    if name.isEmpty { throw .invalidGraph(reason: "graph '\(graph.name)' has a value without a name") }
    isProvided[position] = true
  }
}
