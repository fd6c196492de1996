import Tensors

/// `FlexAttention` of domain ai.onnx.preview. `Passes.expandFlexAttention` replaces it by what it stands for.
enum FlexAttentionRule {
  static let op = OperatorName(domain: "ai.onnx.preview", type: "FlexAttention")

  static let rule = OperatorRule(
    op, inputs: 3...3, attributes: ["prob_mod", "scale", "score_mod", "softmax_precision"], infer: infer)

  @Sendable private static func infer(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try FlexAttentionAttributes(context.node)
    for body in [attributes.scoreModifier, attributes.probabilityModifier].compactMap({ $0 })
    where body.inputs.count != 1 || body.outputs.count != 1 {
      throw context.error(
        "a modifier has \(body.inputs.count) inputs and \(body.outputs.count) outputs, not 1")
    }
    try context.expect(0, .float)
    let element = try context.commonElement(0..<3)
    for input in 0..<3 { try context.expectRank(input, 4...4) }
    let unknown = [Dimension](repeating: .unknown, count: 4)
    let (q, k) = (context.dimensions(0) ?? unknown, context.dimensions(1) ?? unknown)
    let v = context.dimensions(2) ?? unknown
    let batch = try context.merged(q[0], k[0], "the batches of queries and keys")
    _ = try context.merged(k[0], v[0], "the batches of keys and values")
    _ = try context.merged(k[1], v[1], "the heads of keys and values")
    _ = try context.merged(k[2], v[2], "the lengths of keys and values")
    _ = try context.merged(q[3], k[3], "the head sizes of queries and keys")
    if let many = q[1].extent, let few = k[1].extent, few == 0 || many % few != 0 {
      throw context.error("\(many) query heads cannot share \(few) key heads")
    }
    guard let element else { return }
    context.setOutput(0, element, [batch, q[1], q[2], v[3]])
  }
}

struct FlexAttentionAttributes {
  let scoreModifier: Graph?
  let probabilityModifier: Graph?
  /// nil: one over the square root of the head size.
  let scale: Float?

  init(_ node: Node) throws(GraphError) {
    scale = try node.optionalFloat("scale")
    scoreModifier = node.attributes["score_mod"] == nil ? nil : try node.graph("score_mod")
    probabilityModifier = node.attributes["prob_mod"] == nil ? nil : try node.graph("prob_mod")
    if let type = try node.elementType("softmax_precision"), !ElementSet.float.contains(type) {
      throw node.error("attribute 'softmax_precision' is \(type.name)")
    }
  }

  /// The type that scores and probabilities have; nil when the types of the inputs are not known.
  static func precision(_ node: Node, _ type: (ValueID) -> ValueType?) -> ElementType? {
    if let number = node.attributes.int("softmax_precision") { return ElementType(onnxNumber: number) }
    guard let query = node.inputs.first, let element = type(query)?.tensor?.element else { return nil }
    return element == .float64 ? .float64 : .float32
  }
}
