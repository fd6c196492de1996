import Tensors

extension Passes {
  /// Every FlexAttention gives way to products, Softmax and the nodes of its modifiers. Types must have been
  /// inferred.
  public static func expandFlexAttention(_ model: inout Model) throws(GraphError) -> Int {
    if !model.graph.contains(FlexAttentionRule.op) { return 0 }
    var names = UniqueNames(taken: model.graph.allValueNames)
    return try model.changeGraphs { graph throws(GraphError) in
      if !graph.nodes.contains(where: { $0.op == FlexAttentionRule.op }) { return 0 }
      var nodes: [Node] = []
      var changes = 0
      for node in graph.nodes {
        guard node.op == FlexAttentionRule.op else {
          nodes.append(node)
          continue
        }
        var expansion = try FlexAttentionExpansion(
          node, NodeEmitter(graph, names: names, label: graph.label(of: node)))
        try expansion.run()
        graph.values = expansion.emitter.graph.values
        names = expansion.emitter.names
        nodes += expansion.emitter.nodes
        changes += 1
      }
      graph.nodes = nodes
      return changes
    }
  }
}

/// One FlexAttention as a graph.
private struct FlexAttentionExpansion {
  private let node: Node
  private let attributes: FlexAttentionAttributes
  private let element: ElementType
  /// Of scores and probabilities.
  private let precision: ElementType
  var emitter: NodeEmitter

  init(_ node: Node, _ emitter: NodeEmitter) throws(GraphError) {
    self.node = node
    self.emitter = emitter
    attributes = try FlexAttentionAttributes(node)
    guard let element = emitter.type(node.inputs[0])?.element,
      let precision = FlexAttentionAttributes.precision(node, { emitter.graph[$0].type })
    else { throw node.error("the element type of its inputs is not known") }
    self.element = element
    self.precision = precision
  }

  mutating func run() throws(GraphError) {
    let (q, k, v) = (node.inputs[0], node.inputs[1], node.inputs[2])
    // The products of 16-bit operands are computed, and rounded, as float32.
    let wide: ElementType = element == .float64 ? .float64 : .float32
    let keys = emitter.add(
      "Transpose", [emitter.cast(k, to: wide)], ["perm": .ints([0, 1, 3, 2])])
    let products = try product(emitter.cast(q, to: wide), keys, columns: emitter.extents(k, 2..<3))
    let scaled = emitter.add("Mul", [products, try scale(wide)])
    var scores = emitter.cast(scaled, to: precision)
    if let body = attributes.scoreModifier { scores = emitter.splice(body, [scores]) }
    var shares = emitter.add("Softmax", [scores], ["axis": .int(-1)])
    if let body = attributes.probabilityModifier { shares = emitter.splice(body, [shares]) }
    let result = try product(shares, emitter.cast(v, to: precision), columns: emitter.extents(v, 3..<4))
    emitter.add(
      Node(
        name: emitter.label, op: "Cast", inputs: [result], outputs: node.outputs,
        attributes: ["to": .int(element.onnxNumber)]))
  }

  private mutating func scale(_ element: ElementType) throws(GraphError) -> ValueID {
    if let scale = attributes.scale { return try emitter.scalar(Double(scale), element) }
    if let size = emitter.type(node.inputs[0])?.dimensions?[3].extent {
      return try emitter.scalar(1 / Double(size).squareRoot(), element)
    }
    let size = emitter.cast(emitter.extents(node.inputs[0], 3..<4), to: element)
    return emitter.add("Reciprocal", [emitter.add("Sqrt", [size])])
  }

  /// `left` of `[batch, heads, queries, n]` times `right` of `[batch, key heads, n, columns]`, each head of which
  /// serves as many neighbouring heads.
  private mutating func product(
    _ left: ValueID, _ right: ValueID, columns: ValueID
  ) throws(GraphError) -> ValueID {
    if !isGrouped { return emitter.add("MatMul", [left, right]) }
    let (q, k) = (node.inputs[0], node.inputs[1])
    let keyHeads = emitter.extents(k, 1..<2)
    let group = emitter.add("Div", [emitter.extents(q, 1..<2), keyHeads])
    let leftShape = emitter.concat([
      emitter.extents(q, 0..<1), keyHeads, group, emitter.extents(left, 2..<4),
    ])
    let grouped = emitter.add("Reshape", [left, leftShape], ["allowzero": .int(1)])
    let shared = emitter.add("Unsqueeze", [right, try emitter.constant([2])])
    let shape = emitter.concat([emitter.extents(q, 0..<3), columns])
    return emitter.add(
      "Reshape", [emitter.add("MatMul", [grouped, shared]), shape], ["allowzero": .int(1)])
  }

  /// False when there are certainly as many query heads as key heads.
  private var isGrouped: Bool {
    guard let queries = emitter.type(node.inputs[0])?.dimensions?[1],
      let keys = emitter.type(node.inputs[1])?.dimensions?[1]
    else { return true }
    return queries == .unknown || queries != keys
  }
}
