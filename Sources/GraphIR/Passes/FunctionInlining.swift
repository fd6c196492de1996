import Tensors

extension Model {
  /// The most nodes that functions may add, and how deep they may call each other.
  private static let inlinedNodeLimit = 1_000_000
  private static let callDepthLimit = 64

  /// Puts the bodies of the model's own functions in the place of the nodes that call them. Functions of another
  /// opset of ai.onnx than the model's are left for when both are of one. Operators that are known by themselves need
  /// no body: writers add one for readers that do not know them.
  /// - Throws: `GraphError.invalidGraph` for functions that call themselves or add too many nodes.
  public mutating func inlineFunctions() throws(GraphError) {
    if functions.isEmpty { return }
    var inlining = FunctionInlining(
      functions: functions.filter {
        ($0.opsets[""] == nil || $0.opsets[""] == opsets[""]) && !$0.isKnownOperator
      },
      names: UniqueNames(taken: graph.allValueNames), budget: Self.inlinedNodeLimit)
    try inlining.run(&graph, depth: Self.callDepthLimit)
  }
}

extension Function {
  fileprivate var isKnownOperator: Bool {
    overload.isEmpty && (OperatorTable.rule(for: op) != nil || ContribOperators.forms[op] != nil)
  }
}

private struct FunctionInlining {
  struct Key: Hashable {
    let op: OperatorName
    let overload: String
  }

  private let functions: [Key: Function]
  private var names: UniqueNames
  private var budget: Int

  init(functions: [Function], names: UniqueNames, budget: Int) {
    self.functions = Dictionary(
      functions.map { (Key(op: $0.op, overload: $0.overload), $0) }, uniquingKeysWith: { first, _ in first })
    self.names = names
    self.budget = budget
  }

  mutating func run(_ graph: inout Graph, depth: Int) throws(GraphError) {
    var nodes: [Node] = []
    for var node in graph.nodes {
      for entry in node.attributes.entries {
        guard case .graph(var body) = entry.value else { continue }
        try run(&body, depth: depth)
        node.attributes[entry.name] = .graph(body)
      }
      guard let function = functions[Key(op: node.op, overload: node.overload)] else {
        nodes.append(node)
        continue
      }
      if depth == 0 { throw .invalidGraph(reason: "function \(node.op) calls itself, or calls are too deep") }
      nodes += try expand(node, function, in: &graph, depth: depth)
    }
    graph.nodes = nodes
  }

  private mutating func expand(
    _ call: Node, _ function: Function, in graph: inout Graph, depth: Int
  ) throws(GraphError) -> [Node] {
    var body = function.body
    if call.inputs.count > body.inputs.count || call.outputs.count > body.outputs.count {
      throw call.error(
        "the function takes \(body.inputs.count) inputs and gives \(body.outputs.count) outputs")
    }
    budget -= body.nodes.count
    if budget < 0 { throw .invalidGraph(reason: "the model's functions add too many nodes") }
    var actual = function.defaultAttributes
    for entry in call.attributes.entries { actual[entry.name] = entry.value }
    try body.resolveReferences(actual)
    try run(&body, depth: depth - 1)

    let label = graph.label(of: call)
    var ids = [ValueID?](repeating: nil, count: body.values.count)
    for (index, input) in body.inputs.enumerated() {
      ids[Int(input.index)] = index < call.inputs.count ? call.inputs[index] : ValueID.none
    }
    var copies: [Node] = []
    for (index, output) in body.outputs.enumerated() where call.hasOutput(index) {
      if let source = ids[Int(output.index)] {
        // The output is an input, or the same as another one.
        copies.append(Node(op: "Identity", inputs: [source], outputs: [call.outputs[index]]))
      } else {
        ids[Int(output.index)] = call.outputs[index]
        graph[call.outputs[index]].constant = body[output].constant
      }
    }
    for index in body.values.indices where ids[index] == nil {
      var value = body.values[index]
      value.name = names.next("\(label)/\(value.name)")
      ids[index] = graph.addValue(value)
    }
    let place = ids.map { $0 ?? .none }
    return body.nodes.map { node in
      var node = node
      node.name = label + "/" + body.label(of: node)
      node.inputs = node.inputs.map { $0.isNone ? $0 : place[Int($0.index)] }
      node.outputs = node.outputs.map { $0.isNone ? $0 : place[Int($0.index)] }
      for entry in node.attributes.entries {
        guard case .graph(var inner) = entry.value else { continue }
        for index in inner.captures.indices {
          inner.captures[index].outer = place[Int(inner.captures[index].outer.index)]
        }
        inner.omitMissingCaptures()
        node.attributes[entry.name] = .graph(inner)
      }
      return node
    } + copies
  }
}

extension Graph {
  /// Replaces references to the calling node's attributes by `actual` ones; an attribute that the call leaves out is
  /// left out here too.
  fileprivate mutating func resolveReferences(_ actual: Attributes) throws(GraphError) {
    for index in nodes.indices {
      for entry in nodes[index].attributes.entries {
        switch entry.value {
        case .reference(let name, _): nodes[index].attributes[entry.name] = actual[name]
        case .graph(var body):
          try body.resolveReferences(actual)
          nodes[index].attributes[entry.name] = .graph(body)
        default: break
        }
      }
    }
  }

  /// What stood for an omitted input of a function is omitted inside sub-graphs too.
  fileprivate mutating func omitMissingCaptures() {
    let missing = Set(captures.filter(\.outer.isNone).map(\.inner))
    if missing.isEmpty { return }
    captures.removeAll { $0.outer.isNone }
    for index in nodes.indices {
      nodes[index].inputs = nodes[index].inputs.map { missing.contains($0) ? .none : $0 }
    }
  }
}
