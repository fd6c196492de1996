import Tensors

/// Operators of recurrent language models that carry a state from one call to the next.
enum StateRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "CausalConvWithState", inputs: 2...4, outputs: 1...2, attributes: ["activation"], infer: inferCausalConv
    ),
    OperatorRule(
      "LinearAttention", inputs: 3...6, outputs: 1...2,
      attributes: ["chunk_size", "kv_num_heads", "q_num_heads", "scale", "update_rule"], infer: inferLinear),
  ]

  private static let types: ElementSet = [
    .float32, ElementSet(.float16), ElementSet(.bfloat16),
  ]

  @Sendable private static func inferCausalConv(_ context: inout InferenceContext) throws(GraphError) {
    _ = try CausalConvAttributes(context.node)
    try context.expect(0, types)
    let element = try context.commonElement(0..<4)
    for (input, rank) in [(0, 3), (1, 3), (2, 1), (3, 3)] { try context.expectRank(input, rank...rank) }
    let x = context.dimensions(0) ?? [.unknown, .unknown, .unknown]
    var channels = x[1]
    var taps = Dimension.unknown
    if let weight = context.dimensions(1) {
      channels = try context.merged(channels, weight[0], "the channels of input and weight")
      _ = try context.merged(.known(1), weight[1], "the weight's extent on axis 1 and 1")
      taps = weight[2]
    }
    if let bias = context.dimensions(2) {
      channels = try context.merged(channels, bias[0], "the channels of input and bias")
    }
    var state: [Dimension] = [x[0], channels, .unknown]
    if let taps = taps.extent {
      if taps < 1 { throw context.error("the weight has no taps") }
      state[2] = .known(taps - 1)
    }
    if let past = context.dimensions(3) {
      for axis in 0..<3 {
        state[axis] = try context.merged(state[axis], past[axis], "extents of past_state on axis \(axis)")
      }
    }
    guard let element else { return }
    context.setOutput(0, element, [state[0], state[1], x[2]])
    context.setOutput(1, element, state)
  }

  @Sendable private static func inferLinear(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try LinearAttentionAttributes(context.node)
    for input in 0..<6 { try context.expect(input, types) }
    let element = try context.commonElement([0, 1, 2, 4, 5])
    for (input, rank) in [(0, 3), (1, 3), (2, 3), (3, 4), (4, 3), (5, 3)] {
      try context.expectRank(input, rank...rank)
    }
    let (decays, corrects) = (attributes.rule.decays, attributes.rule.corrects)
    if context.node.hasInput(4) != decays {
      throw context.error("update_rule '\(attributes.rule.rawValue)' \(decays ? "needs" : "has no") decay")
    }
    if context.node.hasInput(5) != corrects {
      throw context.error("update_rule '\(attributes.rule.rawValue)' \(corrects ? "needs" : "has no") beta")
    }
    var batch = Dimension.unknown
    var length = Dimension.unknown
    for input in [0, 1, 2, 4, 5] {
      guard let own = context.dimensions(input) else { continue }
      batch = try context.merged(batch, own[0], "the batches of the inputs")
      length = try context.merged(length, own[1], "the lengths of the inputs")
    }
    var keySize = try headSize(context, 0, attributes.queryHeads)
    keySize = try context.merged(
      keySize, try headSize(context, 1, attributes.keyHeads), "the head sizes of queries and keys")
    let valueSize = try headSize(context, 2, attributes.keyHeads)
    let wanted: [Dimension] = [batch, .known(attributes.keyHeads), keySize, valueSize]
    var state = wanted
    if let past = context.dimensions(3) {
      for axis in 0..<4 {
        state[axis] = try context.merged(wanted[axis], past[axis], "extents of past_state on axis \(axis)")
      }
    }
    try checkGates(context, attributes, keySize: state[2])
    guard let element else { return }
    context.setOutput(
      0, element, [batch, length, try context.product([.known(attributes.queryHeads), state[3]])])
    context.setOutput(1, context.element(3) ?? element, state)
  }

  /// The size of each of `heads` heads that lie side by side on the last axis.
  private static func headSize(
    _ context: InferenceContext, _ input: Int, _ heads: Int
  ) throws(GraphError) -> Dimension {
    guard let width = context.dimensions(input)?[2].extent else { return .unknown }
    if width % heads != 0 { throw context.error("\(width) features cannot be split into \(heads) heads") }
    return .known(width / heads)
  }

  private static func checkGates(
    _ context: InferenceContext, _ attributes: LinearAttentionAttributes, keySize: Dimension
  ) throws(GraphError) {
    let heads = attributes.keyHeads
    if let width = context.dimensions(4)?[2].extent, width != heads, let size = keySize.extent {
      if width != (try context.multiply(heads, size)) {
        throw context.error("decay has \(width) features, neither one a head nor one a key feature")
      }
    }
    if let width = context.dimensions(5)?[2].extent, width != heads, width != 1 {
      throw context.error("beta has \(width) features, neither \(heads) nor 1")
    }
  }
}

/// `CausalConvWithState`.
public struct CausalConvAttributes: Sendable {
  public enum Activation: String, CaseIterable, Sendable { case none, silu, swish }
  /// Both names stand for x times sigmoid(x).
  public let activates: Bool

  public init(_ node: Node) throws(GraphError) {
    activates = try node.choice("activation", default: Activation.none) != .none
  }
}

/// `LinearAttention`.
public struct LinearAttentionAttributes: Sendable {
  /// How the state follows the keys and values.
  public enum Rule: String, CaseIterable, Sendable {
    case linear, gated, delta
    case gatedDelta = "gated_delta"

    /// The state fades by the exponential of input `decay`.
    public var decays: Bool { self == .gated || self == .gatedDelta }
    /// Only what the state does not yet give for the key is added, times input `beta`.
    public var corrects: Bool { self == .delta || self == .gatedDelta }
  }

  public let rule: Rule
  public let queryHeads: Int
  public let keyHeads: Int
  /// nil: one over the square root of the head size.
  public let scale: Float?

  public init(_ node: Node) throws(GraphError) {
    rule = try node.choice("update_rule", default: .gatedDelta)
    queryHeads = try node.requiredInt("q_num_heads")
    keyHeads = try node.requiredInt("kv_num_heads")
    if queryHeads < 1 || keyHeads < 1 || queryHeads % keyHeads != 0 {
      throw node.error("\(queryHeads) query heads cannot share \(keyHeads) key heads")
    }
    let scale = try node.float("scale", default: 0)
    self.scale = scale == 0 ? nil : scale
    _ = try node.int("chunk_size", default: 64)
  }
}
