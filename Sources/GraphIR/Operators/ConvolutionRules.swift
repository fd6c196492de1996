import Tensors

/// Convolutions: `[batch, channels, d1 …]` with weights `[filters, channels / group, k1 …]`.
enum ConvolutionRules {
  static let all: [OperatorRule] = [
    OperatorRule("Conv", inputs: 2...3, attributes: ConvAttributes.names, infer: inferConv),
    OperatorRule(
      "ConvTranspose", inputs: 2...3, attributes: ConvAttributes.names + ["output_padding", "output_shape"],
      infer: inferConvTranspose),
    OperatorRule("ConvInteger", inputs: 2...4, attributes: ConvAttributes.names, infer: inferConvInteger),
    OperatorRule("QLinearConv", inputs: 8...9, attributes: ConvAttributes.names, infer: inferQLinearConv),
  ]

  @Sendable private static func inferConv(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    let element = try context.commonElement(0..<3)
    let dimensions = try context.convolution(weight: 1, bias: 2)
    if let element { context.setOutput(0, element, dimensions) }
  }

  @Sendable private static func inferConvInteger(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .eightBit)
    try context.expect(1, .eightBit)
    _ = try context.commonElement([0, 2])
    _ = try context.commonElement([1, 3])
    context.setOutput(0, .int32, try context.convolution(weight: 1, bias: nil))
  }

  @Sendable private static func inferQLinearConv(_ context: inout InferenceContext) throws(GraphError) {
    for input in [0, 3, 7] { try context.expect(input, .eightBit) }
    for input in [1, 4, 6] { try context.expect(input, .float32) }
    _ = try context.commonElement([0, 2])
    _ = try context.commonElement([3, 5])
    try context.expect(8, .int32)
    let dimensions = try context.convolution(weight: 3, bias: 8)
    if let element = context.element(7) { context.setOutput(0, element, dimensions) }
  }

  @Sendable private static func inferConvTranspose(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    let element = try context.commonElement(0..<3)
    let dimensions = try transposedShape(context)
    if let element { context.setOutput(0, element, dimensions) }
  }

  private static func transposedShape(_ context: InferenceContext) throws(GraphError) -> [Dimension]? {
    try context.expectRank(0, 3...Int.max)
    guard let input = context.dimensions(0) else { return nil }
    try context.expectRank(1, input.count...input.count)
    let weight = context.dimensions(1) ?? Array(repeating: .unknown, count: input.count)
    let group = try ConvAttributes.group(context.node)
    let own = try context.merged(input[1], weight[0], "the input's channels and the weight's")
    if case .known(let extent) = own, extent % group != 0 {
      throw context.error("\(extent) channels cannot be split into \(group) groups")
    }
    var channels = Dimension.unknown
    if case .known(let extent) = weight[1] { channels = .known(try context.multiply(extent, group)) }
    try context.expectRank(2, 1...1)
    if let extent = context.dimensions(2)?.first {
      _ = try context.merged(channels, extent, "the filters and the bias")
    }
    guard let kernel = try context.kernel(weight) else {
      return [input[0], channels] + Array(repeating: .unknown, count: input.count - 2)
    }
    let attributes = try ConvTransposeAttributes(context.node, kernel: kernel)
    var result = [input[0], channels]
    for axis in kernel.indices {
      guard case .known(let extent) = input[axis + 2] else {
        result.append(attributes.outputShape.map { .known($0[axis]) } ?? .unknown)
        continue
      }
      guard let size = attributes.outputExtent(axis, extent: extent) else {
        throw context.error("the pads leave nothing of spatial axis \(axis)")
      }
      result.append(.known(size))
    }
    return result
  }
}

/// `Conv`, `ConvInteger` and `QLinearConv`.
public struct ConvAttributes: Sendable {
  public static let names = SlidingWindow.attributeNames + ["group"]

  public let window: SlidingWindow
  public let group: Int

  /// - Parameter kernel: the weight's spatial extents.
  public init(_ node: Node, kernel: [Int]) throws(GraphError) {
    window = try SlidingWindow(node, kernel: kernel)
    group = try Self.group(node)
  }

  static func group(_ node: Node) throws(GraphError) -> Int {
    let group = try node.int("group", default: 1)
    if group < 1 { throw node.error("attribute 'group' is \(group)") }
    return group
  }
}

/// `ConvTranspose`.
public struct ConvTransposeAttributes: Sendable {
  public let window: SlidingWindow
  public let group: Int
  public let outputPadding: [Int]
  /// The spatial extents of the output, when the file fixes them.
  public let outputShape: [Int]?

  public init(_ node: Node, kernel: [Int]) throws(GraphError) {
    window = try SlidingWindow(node, kernel: kernel)
    group = try ConvAttributes.group(node)
    outputPadding = try node.ints("output_padding") ?? Array(repeating: 0, count: kernel.count)
    // Both forms occur in files: spatial extents only, and with batch and channels before them.
    let shape = try node.ints("output_shape")
    outputShape = shape.map { $0.count == kernel.count + 2 ? Array($0.dropFirst(2)) : $0 }
    if outputPadding.count != kernel.count || outputPadding.contains(where: { $0 < 0 || $0 > 1 << 30 }) {
      throw node.error("attribute 'output_padding' does not fit \(kernel.count) spatial axes")
    }
    if let outputShape,
      outputShape.count != kernel.count || outputShape.contains(where: { $0 < 0 || $0 > 1 << 48 })
    {
      throw node.error("attribute 'output_shape' does not fit \(kernel.count) spatial axes")
    }
  }

  /// The extent of the output along spatial `axis`; nil when it would be negative or too large.
  public func outputExtent(_ axis: Int, extent: Int) -> Int? {
    if extent < 0 || extent > 1 << 30 { return nil }
    if let outputShape { return outputShape[axis] }
    switch window.autoPad {
    case .sameUpper, .sameLower: return extent * window.strides[axis]
    case .valid, .notSet:
      let pads = window.declaredPads[axis] + window.declaredPads[axis + window.spatialRank]
      let size = fullExtent(axis, extent: extent) - pads
      return size < 0 ? nil : size
    }
  }

  /// Rows that are cut off before and after spatial `axis`, for an input with `extent` elements there.
  public func pads(_ axis: Int, extent: Int) -> (begin: Int, end: Int) {
    let isSame = window.autoPad == .sameUpper || window.autoPad == .sameLower
    guard isSame || outputShape != nil, let output = outputExtent(axis, extent: extent) else {
      return (window.declaredPads[axis], window.declaredPads[axis + window.spatialRank])
    }
    let total = max(0, fullExtent(axis, extent: extent) - output)
    let small = total / 2
    return window.autoPad == .sameUpper ? (small, total - small) : (total - small, small)
  }

  private func fullExtent(_ axis: Int, extent: Int) -> Int {
    window.strides[axis] * (extent - 1) + outputPadding[axis] + window.span(axis)
  }
}

extension InferenceContext {
  /// The weight's spatial extents: from its shape, or from `kernel_shape`; nil when neither tells.
  func kernel(_ weight: [Dimension]) throws(GraphError) -> [Int]? {
    let spatial = weight.dropFirst(2)
    let extents = spatial.compactMap(\.extent)
    if extents.count == spatial.count { return extents }
    guard let declared = try node.ints("kernel_shape") else { return nil }
    if declared.count != spatial.count {
      throw error("attribute 'kernel_shape' has \(declared.count) values for \(spatial.count) spatial axes")
    }
    return declared
  }

  /// The output shape of a convolution of input 0 with input `weight`.
  func convolution(weight weightInput: Int, bias: Int?) throws(GraphError) -> [Dimension]? {
    try expectRank(0, 3...Int.max)
    guard let rank = dimensions(0)?.count ?? dimensions(weightInput)?.count else { return nil }
    try expectRank(weightInput, rank...rank)
    if rank < 3 { throw error("the weight has rank \(rank); a convolution needs at least 3") }
    let input = dimensions(0) ?? Array(repeating: .unknown, count: rank)
    let weight = dimensions(weightInput) ?? Array(repeating: .unknown, count: rank)
    let group = try ConvAttributes.group(node)
    try checkChannels(input: input[1], weight: weight, group: group)
    if let bias {
      try expectRank(bias, 1...1)
      if let extent = dimensions(bias)?.first {
        _ = try merged(weight[0], extent, "the filters and the bias")
      }
    }
    var result = [input[0], weight[0]]
    guard let kernel = try kernel(weight) else {
      return result + Array(repeating: .unknown, count: rank - 2)
    }
    let window = try SlidingWindow(node, kernel: kernel)
    for axis in kernel.indices { result.append(try window.output(axis, of: input[axis + 2], self)) }
    return result
  }

  private func checkChannels(input: Dimension, weight: [Dimension], group: Int) throws(GraphError) {
    if case .known(let perGroup) = weight[1], case .known(let channels) = input {
      if try multiply(perGroup, group) != channels {
        throw error(
          "\(channels) input channels do not fit a weight of \(perGroup) channels in \(group) groups")
      }
    }
    if case .known(let filters) = weight[0], filters % group != 0 {
      throw error("\(filters) filters cannot be split into \(group) groups")
    }
  }
}
