import Tensors

extension Passes {
  /// The opset that HardSwish came with.
  public static let hardSwishOpset = 14

  /// How many activations `joinHardSwish` finds, in a model of any opset.
  public static func spelledHardSwishCount(in model: Model) -> Int {
    SpelledHardSwish.all(in: model.graph).count
  }

  /// x · min(max(x + 3, 0), 6) / 6 in the orders that exporters write becomes one HardSwish. Needs opset 14.
  ///
  /// Left in its parts, a static quantization cannot see a function of one tensor in it.
  public static func joinHardSwish(_ model: inout Model) throws(GraphError) -> Int {
    if let version = model.opsets[""], version < hardSwishOpset { return 0 }
    return try model.changeGraphs { graph throws(GraphError) in
      let found = SpelledHardSwish.all(in: graph)
      var patch = GraphPatch("join HardSwish", for: graph)
      for match in found {
        let last = graph.nodes[match.nodes[0]]
        patch.replace(
          match.nodes[0],
          with: Node(name: last.name, op: "HardSwish", inputs: [match.input], outputs: last.outputs))
        for inner in match.nodes.dropFirst() { patch.remove(inner) }
      }
      try patch.apply(to: &graph)
      return found.count
    }
  }
}

/// The nodes of one hard swish, the last one first.
private struct SpelledHardSwish {
  let input: ValueID
  let nodes: [Int]

  static func all(in graph: Graph) -> [SpelledHardSwish] {
    let uses = GraphUses(graph)
    var taken: Set<Int> = []
    return graph.nodes.indices.compactMap { index in
      guard let match = SpelledHardSwish(graph, uses, index), taken.isDisjoint(with: match.nodes) else {
        return nil
      }
      taken.formUnion(match.nodes)
      return match
    }
  }

  /// The activation that ends at node `index`.
  private init?(_ graph: Graph, _ uses: GraphUses, _ index: Int) {
    let reader = SpellingReader(graph: graph, uses: uses)
    // (x · clip) / 6
    if let sixth = reader.sixth(index), let product = reader.soleWriter(sixth, "Mul") {
      let inputs = graph.nodes[product].inputs
      for side in 0...1 {
        if let inner = reader.clipped(inputs[1 - side], of: inputs[side]) {
          self.init(input: inputs[side], nodes: [index, product] + inner)
          return
        }
      }
    }
    guard graph.nodes[index].op == "Mul", graph.nodes[index].inputs.count == 2 else { return nil }
    let inputs = graph.nodes[index].inputs
    for side in 0...1 {
      // x · (clip / 6), and x · HardSigmoid(x)
      if let scaled = reader.soleWriter(inputs[1 - side], "Div", "Mul"), let value = reader.sixth(scaled),
        let inner = reader.clipped(value, of: inputs[side])
      {
        self.init(input: inputs[side], nodes: [index, scaled] + inner)
        return
      }
      if let gate = reader.soleWriter(inputs[1 - side], "HardSigmoid"), reader.isSixth(graph.nodes[gate]),
        graph.nodes[gate].inputs[0] == inputs[side]
      {
        self.init(input: inputs[side], nodes: [index, gate])
        return
      }
    }
    return nil
  }

  private init(input: ValueID, nodes: [Int]) {
    self.input = input
    self.nodes = nodes
  }
}

private struct SpellingReader {
  let graph: Graph
  let uses: GraphUses

  /// The node that gives `value` to its only reader.
  func soleWriter(_ value: ValueID, _ ops: OperatorName...) -> Int? {
    guard let writer = uses.writer(of: value), uses.readCount(of: value) == 1,
      ops.contains(graph.nodes[writer].op)
    else { return nil }
    return writer
  }

  /// What the node divides by six.
  func sixth(_ index: Int) -> ValueID? {
    let node = graph.nodes[index]
    guard node.inputs.count == 2 else { return nil }
    if node.op == "Div", let divisor = number(node.inputs[1], beside: node.inputs[0]), divisor == 6 {
      return node.inputs[0]
    }
    guard node.op == "Mul" else { return nil }
    for side in 0...1 {
      let value = node.inputs[1 - side]
      if let factor = number(node.inputs[side], beside: value), abs(factor - 1 / 6) < 1e-6 { return value }
    }
    return nil
  }

  /// The nodes of min(max(x + 3, 0), 6) that give `value`.
  func clipped(_ value: ValueID, of x: ValueID) -> [Int]? {
    guard let clip = soleWriter(value, "Clip"), graph.nodes[clip].inputs.count == 3,
      number(graph.nodes[clip].inputs[1], beside: .none) == 0,
      number(graph.nodes[clip].inputs[2], beside: .none) == 6,
      let sum = soleWriter(graph.nodes[clip].inputs[0], "Add"), graph.nodes[sum].inputs.count == 2
    else { return nil }
    let inputs = graph.nodes[sum].inputs
    for side in 0...1 where inputs[side] == x && number(inputs[1 - side], beside: x) == 3 {
      return [clip, sum]
    }
    return nil
  }

  func isSixth(_ node: Node) -> Bool {
    abs((node.attributes.float("alpha") ?? 0.2) - 1.0 / 6) < 1e-6
      && (node.attributes.float("beta") ?? 0.5) == 0.5
  }

  /// The constant `id` when it is one float32 number that gives a result no axes that `value` does not have.
  private func number(_ id: ValueID, beside value: ValueID) -> Float? {
    guard let tensor = uses.constant(id, in: graph), tensor.type == .float32, tensor.elementCount == 1
    else { return nil }
    if tensor.shape.rank > (value.isNone ? 0 : leastRank(value)) { return nil }
    return tensor.withElements(Float.self) { $0[0] }
  }

  /// What is known of the rank without inferring types.
  private func leastRank(_ value: ValueID) -> Int {
    if case .tensor(let type)? = graph[value].type, let dimensions = type.dimensions {
      return dimensions.count
    }
    guard let writer = uses.writer(of: value) else { return 0 }
    let node = graph.nodes[writer]
    switch node.op {
    case "Conv", "ConvTranspose": return 3
    case "Gemm", "BatchNormalization", "Flatten": return 2
    case "Add", "Mul", "Div", "Clip":
      let ranks = node.inputs.prefix(node.op == "Clip" ? 1 : 2).map { input -> Int in
        if let constant = uses.constant(input, in: graph) { return constant.shape.rank }
        guard let source = uses.writer(of: input) else { return 0 }
        return graph.nodes[source].op == "Conv" ? 3 : 0
      }
      return ranks.max() ?? 0
    default: return 0
    }
  }
}
