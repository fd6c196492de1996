import Tensors

/// Pooling over the spatial axes of `[batch, channels, d1, d2 …]`.
enum PoolingRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "MaxPool", inputs: 1...1, outputs: 1...2,
      attributes: SlidingWindow.attributeNames + ["ceil_mode", "storage_order"], infer: inferPool),
    OperatorRule(
      "AveragePool", inputs: 1...1,
      attributes: SlidingWindow.attributeNames + ["ceil_mode", "count_include_pad"], infer: inferPool),
    OperatorRule(
      "LpPool", inputs: 1...1, attributes: SlidingWindow.attributeNames + ["ceil_mode", "p"], infer: inferPool
    ),
    OperatorRule("GlobalAveragePool", inputs: 1...1, infer: inferGlobal),
    OperatorRule("GlobalMaxPool", inputs: 1...1, infer: inferGlobal),
    OperatorRule("GlobalLpPool", inputs: 1...1, attributes: ["p"], infer: inferGlobal),
  ]

  @Sendable private static func inferPool(_ context: inout InferenceContext) throws(GraphError) {
    let isMax = context.node.op.type == "MaxPool"
    try context.expect(0, isMax ? [.float, .eightBit] : .float)
    let attributes = try PoolAttributes(context.node)
    try context.expectRank(0, 3...Int.max)
    guard let type = context.type(0) else { return }
    var result: [Dimension]?
    if let input = type.dimensions {
      if input.count != attributes.window.spatialRank + 2 {
        throw context.error(
          "a window over \(attributes.window.spatialRank) axes does not fit an input of rank \(input.count)")
      }
      var extents = [input[0], input[1]]
      for axis in 0..<attributes.window.spatialRank {
        extents.append(
          try attributes.window.output(axis, of: input[axis + 2], ceiling: attributes.ceilMode, context))
      }
      result = extents
    }
    context.setOutput(0, type.element, result)
    context.setOutput(1, .int64, result)
  }

  @Sendable private static func inferGlobal(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    try context.expectRank(0, 2...Int.max)
    guard let type = context.type(0) else { return }
    let dimensions = type.dimensions.map { extents in
      extents.enumerated().map { $0.offset < 2 ? $0.element : .known(1) }
    }
    context.setOutput(0, type.element, dimensions)
  }
}

/// `MaxPool`, `AveragePool` and `LpPool`.
public struct PoolAttributes: Sendable {
  public let window: SlidingWindow
  public let ceilMode: Bool
  /// AveragePool: padding counts as zeros.
  public let countIncludePad: Bool
  /// MaxPool: indices are column-major.
  public let isColumnMajor: Bool
  /// LpPool and GlobalLpPool: the norm.
  public let p: Int

  public init(_ node: Node) throws(GraphError) {
    window = try SlidingWindow(node)
    ceilMode = try node.flag("ceil_mode")
    countIncludePad = try node.flag("count_include_pad")
    isColumnMajor = try node.flag("storage_order")
    p = try node.int("p", default: 2)
  }
}
