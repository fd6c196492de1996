import Tensors

/// Normalizations: outputs have the shape of input 0.
enum NormalizationRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "BatchNormalization", inputs: 5...5, outputs: 1...3,
      attributes: ["epsilon", "momentum", "training_mode"],
      infer: inferBatch),
    OperatorRule("InstanceNormalization", inputs: 3...3, attributes: ["epsilon"], infer: inferPerChannel),
    OperatorRule(
      "GroupNormalization", inputs: 3...3, attributes: ["epsilon", "num_groups", "stash_type"],
      infer: inferGroup),
    OperatorRule(
      "LayerNormalization", inputs: 2...3, outputs: 1...3, attributes: ["axis", "epsilon", "stash_type"],
      infer: inferLayer),
    OperatorRule(
      "RMSNormalization", inputs: 2...2, attributes: ["axis", "epsilon", "stash_type"], infer: inferRMS),
    OperatorRule("LRN", inputs: 1...1, attributes: ["alpha", "beta", "bias", "size"], infer: inferLRN),
    OperatorRule("LpNormalization", inputs: 1...1, attributes: ["axis", "p"], infer: inferAlongAxis),
    OperatorRule("MeanVarianceNormalization", inputs: 1...1, attributes: ["axes"], infer: inferMeanVariance),
    OperatorRule("Softmax", inputs: 1...1, attributes: ["axis"], infer: inferAlongAxis),
    OperatorRule("LogSoftmax", inputs: 1...1, attributes: ["axis"], infer: inferAlongAxis),
    OperatorRule("Hardmax", inputs: 1...1, attributes: ["axis"], infer: inferAlongAxis),
  ]

  @Sendable private static func inferBatch(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try BatchNormalizationAttributes(context.node)
    if !attributes.isTraining && context.node.outputs.count > 1 {
      throw context.error("the running mean and variance are outputs in training mode only")
    }
    try context.expect(0, .float)
    try context.expectChannels(1..<5)
    guard let type = context.type(0) else { return }
    context.setOutput(0, .tensor(type))
    for output in 1..<3 {
      if let running = context.valueType(output + 2) { context.setOutput(output, running) }
    }
  }

  @Sendable private static func inferPerChannel(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    try context.expectRank(0, 3...Int.max)
    _ = try context.commonElement(0..<3)
    try context.expectChannels(1..<3)
    context.copyType()
  }

  @Sendable private static func inferGroup(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try GroupNormalizationAttributes(context.node)
    try inferPerChannel(&context)
    if let channels = context.dimensions(0)?[1].extent, channels % attributes.groups != 0 {
      throw context.error("\(channels) channels cannot be split into \(attributes.groups) groups")
    }
  }

  @Sendable private static func inferLayer(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try LayerNormalizationAttributes(context.node)
    try context.expect(0, .float)
    _ = try context.commonElement(0..<3)
    guard let type = context.type(0) else { return }
    context.setOutput(0, .tensor(type))
    var statistics: [Dimension]?
    if let dimensions = type.dimensions {
      let axis = try context.resolveAxis(attributes.axis, rank: dimensions.count)
      for input in 1..<3 { try context.expectBroadcast(input, to: Array(dimensions[axis...])) }
      statistics = dimensions.enumerated().map { $0.offset < axis ? $0.element : .known(1) }
    }
    context.setOutput(1, attributes.stashType, statistics)
    context.setOutput(2, attributes.stashType, statistics)
  }

  @Sendable private static func inferRMS(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try LayerNormalizationAttributes(context.node)
    try context.expect(0, .float)
    try context.expect(1, .float)
    guard let type = context.type(0) else { return }
    if let dimensions = type.dimensions {
      let axis = try context.resolveAxis(attributes.axis, rank: dimensions.count)
      try context.expectBroadcast(1, to: Array(dimensions[axis...]))
    }
    // The result is of the scale's type, which may differ from the input's.
    context.setOutput(0, context.element(1) ?? type.element, type.dimensions)
  }

  @Sendable private static func inferLRN(_ context: inout InferenceContext) throws(GraphError) {
    _ = try LRNAttributes(context.node)
    try context.expect(0, .float)
    try context.expectRank(0, 2...Int.max)
    context.copyType()
  }

  @Sendable private static func inferAlongAxis(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    let axis = try context.node.int("axis", default: -1)
    if let rank = context.dimensions(0)?.count, rank > 0 || axis != -1 {
      _ = try context.resolveAxis(axis, rank: rank)
    }
    context.copyType()
  }

  @Sendable private static func inferMeanVariance(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    let axes = try context.node.ints("axes") ?? [0, 2, 3]
    if let rank = context.dimensions(0)?.count { _ = try context.resolveAxes(axes, rank: rank) }
    context.copyType()
  }
}

/// `BatchNormalization`.
public struct BatchNormalizationAttributes: Sendable {
  public let epsilon: Float
  public let momentum: Float
  public let isTraining: Bool

  public init(_ node: Node) throws(GraphError) {
    epsilon = try node.float("epsilon", default: 1e-5)
    momentum = try node.float("momentum", default: 0.9)
    isTraining = try node.flag("training_mode")
  }
}

/// `GroupNormalization`.
public struct GroupNormalizationAttributes: Sendable {
  public let epsilon: Float
  public let groups: Int

  public init(_ node: Node) throws(GraphError) {
    epsilon = try node.float("epsilon", default: 1e-5)
    groups = try node.requiredInt("num_groups")
    if groups < 1 { throw node.error("attribute 'num_groups' is \(groups)") }
  }
}

/// `LayerNormalization` and `RMSNormalization`.
public struct LayerNormalizationAttributes: Sendable {
  public let axis: Int
  public let epsilon: Float
  /// The type that mean and variance are computed in.
  public let stashType: ElementType

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: -1)
    epsilon = try node.float("epsilon", default: 1e-5)
    stashType = try node.elementType("stash_type") ?? .float32
  }
}

/// `LRN`: local response normalization over `size` neighbouring channels.
public struct LRNAttributes: Sendable {
  public let alpha: Float
  public let beta: Float
  public let bias: Float
  public let size: Int

  public init(_ node: Node) throws(GraphError) {
    alpha = try node.float("alpha", default: 1e-4)
    beta = try node.float("beta", default: 0.75)
    bias = try node.float("bias", default: 1)
    size = try node.requiredInt("size")
    if size < 1 { throw node.error("attribute 'size' is \(size)") }
  }
}

extension InferenceContext {
  /// Output 0 is of input 0's type.
  mutating func copyType() {
    if let type = valueType(0) { setOutput(0, type) }
  }

  /// Each of `inputs` must be `[channels]` of input 0.
  func expectChannels(_ inputs: Range<Int>) throws(GraphError) {
    // A tensor of rank 1 is a batch of one channel.
    let channels: Dimension? = dimensions(0).map { $0.count > 1 ? $0[1] : .known(1) }
    for input in inputs {
      try expectRank(input, 1...1)
      guard let extent = dimensions(input)?.first, let channels else { continue }
      _ = try merged(channels, extent, "the channels and input \(input)")
    }
  }
}
