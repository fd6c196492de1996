import Tensors

/// Conversions to and from quantized integers, and products of them.
enum QuantizationRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "QuantizeLinear", inputs: 2...3,
      attributes: ["axis", "block_size", "output_dtype", "precision", "saturate"], infer: inferQuantize),
    OperatorRule(
      "DequantizeLinear", inputs: 2...3, attributes: ["axis", "block_size", "output_dtype"],
      infer: inferDequantize),
    OperatorRule("DynamicQuantizeLinear", inputs: 1...1, outputs: 3...3, infer: inferDynamic),
    OperatorRule("MatMulInteger", inputs: 2...4, infer: inferMatMulInteger),
    OperatorRule("QLinearMatMul", inputs: 8...8, infer: inferQLinearMatMul),
  ]

  private static let quantized = ElementSet(where: { type in
    (type.isInteger && type.bitWidth <= 16) || (type.isFloatingPoint && type.bitWidth <= 8)
  })

  @Sendable private static func inferQuantize(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try QuantizationAttributes(context.node)
    try context.expect(0, [.float, .int32])
    try context.expect(2, quantized)
    try checkScale(context, attributes)
    var element = attributes.outputType ?? .uint8
    if let zeroPoint = context.element(2) {
      if let declared = attributes.outputType, declared != zeroPoint {
        throw context.error(
          "attribute 'output_dtype' is \(declared.name) but the zero point is \(zeroPoint.name)")
      }
      element = zeroPoint
    } else if context.node.hasInput(2) && attributes.outputType == nil {
      return
    }
    if !quantized.contains(element) { throw context.error("cannot quantize to \(element.name)") }
    context.setOutput(0, element, context.dimensions(0))
  }

  @Sendable private static func inferDequantize(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try QuantizationAttributes(context.node)
    try context.expect(0, [quantized, .int32])
    _ = try context.commonElement([0, 2])
    try checkScale(context, attributes)
    guard let element = attributes.outputType ?? context.element(1) else { return }
    context.setOutput(0, element, context.dimensions(0))
  }

  /// Scale and zero point: one for the tensor, one for each place on the axis, or one for each block of it.
  private static func checkScale(
    _ context: InferenceContext, _ attributes: QuantizationAttributes
  ) throws(GraphError) {
    guard let scale = context.dimensions(1) else { return }
    if let zeroPoint = context.dimensions(2), !(isSingle(scale) && isSingle(zeroPoint)) {
      if zeroPoint.count != scale.count { throw context.error("scale and zero point differ in rank") }
      for (a, b) in zip(scale, zeroPoint) {
        _ = try context.merged(a, b, "the extents of scale and zero point")
      }
    }
    guard let input = context.dimensions(0) else { return }
    if attributes.blockSize > 0 {
      try checkBlocks(context, attributes, input: input, scale: scale)
    } else if scale.count == 1, scale[0] != .known(1) {
      // An extent that is not known may be 1, and then there is no axis.
      let hasAxis = (-input.count..<input.count).contains(attributes.axis)
      if scale[0].extent == nil && !hasAxis { return }
      let axis = try context.resolveAxis(attributes.axis, rank: input.count)
      _ = try context.merged(input[axis], scale[0], "the extents of axis \(axis) and the scale")
    } else if scale.count > 1 {
      throw context.error("a scale of rank \(scale.count) needs attribute 'block_size'")
    }
  }

  /// One element, whether a scalar or a vector of one: both occur in files, also beside each other.
  private static func isSingle(_ dimensions: [Dimension]) -> Bool {
    dimensions.isEmpty || dimensions == [.known(1)]
  }

  private static func checkBlocks(
    _ context: InferenceContext, _ attributes: QuantizationAttributes, input: [Dimension], scale: [Dimension]
  ) throws(GraphError) {
    if scale.count != input.count { throw context.error("a blocked scale must have the input's rank") }
    let axis = try context.resolveAxis(attributes.axis, rank: input.count)
    for other in input.indices where other != axis {
      _ = try context.merged(input[other], scale[other], "the extents of axis \(other) and the scale")
    }
    guard let extent = input[axis].extent, let blocks = scale[axis].extent else { return }
    let needed = extent / attributes.blockSize + (extent % attributes.blockSize == 0 ? 0 : 1)
    if blocks != needed { throw context.error("\(blocks) scales for \(needed) blocks on axis \(axis)") }
  }

  @Sendable private static func inferDynamic(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float32)
    context.setOutput(0, .uint8, context.dimensions(0))
    context.setOutput(1, .float32, [])
    context.setOutput(2, .uint8, [])
  }

  @Sendable private static func inferMatMulInteger(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .eightBit)
    try context.expect(1, .eightBit)
    _ = try context.commonElement([0, 2])
    _ = try context.commonElement([1, 3])
    context.setOutput(0, .int32, try context.matrixProduct(context.dimensions(0), context.dimensions(1)))
  }

  @Sendable private static func inferQLinearMatMul(_ context: inout InferenceContext) throws(GraphError) {
    for input in [0, 3, 7] { try context.expect(input, quantized) }
    _ = try context.commonElement([0, 2])
    _ = try context.commonElement([3, 5])
    _ = try context.commonElement([1, 4, 6])
    let dimensions = try context.matrixProduct(context.dimensions(0), context.dimensions(3))
    if let element = context.element(7) { context.setOutput(0, element, dimensions) }
  }
}

/// `QuantizeLinear` and `DequantizeLinear`.
public struct QuantizationAttributes: Sendable {
  public let axis: Int
  /// Elements of the axis that share a scale; 0: the whole of it.
  public let blockSize: Int
  public let outputType: ElementType?
  /// The type the division is done in; nil: the scale's.
  public let precision: ElementType?
  /// Float 8 results: out-of-range values become the largest one.
  public let saturates: Bool

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: 1)
    blockSize = try node.int("block_size", default: 0)
    if blockSize < 0 { throw node.error("attribute 'block_size' is \(blockSize)") }
    // 0 is the file format's "not set".
    outputType = try node.int("output_dtype", default: 0) == 0 ? nil : node.elementType("output_dtype")
    precision = try node.int("precision", default: 0) == 0 ? nil : node.elementType("precision")
    saturates = try node.flag("saturate", default: true)
  }
}
