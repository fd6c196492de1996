import Tensors

/// Boxes and regions: NonMaxSuppression, RoiAlign, MaxRoiPool.
enum DetectionRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "NonMaxSuppression", inputs: 2...5, attributes: ["center_point_box"], infer: inferSuppression),
    OperatorRule(
      "RoiAlign", inputs: 3...3,
      attributes: [
        "coordinate_transformation_mode", "mode", "output_height", "output_width", "sampling_ratio",
        "spatial_scale",
      ], infer: inferAlign),
    OperatorRule(
      "MaxRoiPool", inputs: 2...2, attributes: ["pooled_shape", "spatial_scale"], infer: inferPool),
  ]

  @Sendable private static func inferSuppression(_ context: inout InferenceContext) throws(GraphError) {
    for input in [0, 1, 3, 4] { try context.expect(input, .float32) }
    try context.expect(2, .int64)
    for input in 0..<2 { try context.expectRank(input, 3...3) }
    let layout = try context.node.int("center_point_box", default: 0)
    if layout != 0 && layout != 1 { throw context.error("attribute 'center_point_box' is \(layout)") }
    if let boxes = context.dimensions(0), let scores = context.dimensions(1) {
      _ = try context.merged(boxes[0], scores[0], "the batches of boxes and scores")
      _ = try context.merged(boxes[1], scores[2], "the numbers of boxes and scores")
      _ = try context.merged(boxes[2], .known(4), "the numbers that describe a box")
    }
    context.setOutput(0, .int64, [.unknown, .known(3)])
  }

  @Sendable private static func inferAlign(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    try context.expect(2, .int64)
    let element = try context.commonElement(0..<2)
    let attributes = try RoiAlignAttributes(context.node)
    try context.expectRank(0, 4...4)
    try context.expectRank(1, 2...2)
    try context.expectRank(2, 1...1)
    var count = Dimension.unknown
    if let rois = context.dimensions(1) {
      _ = try context.merged(rois[1], .known(4), "the numbers that describe a region")
      count = rois[0]
    }
    if let indices = context.dimensions(2) {
      count = try context.merged(count, indices[0], "the numbers of regions")
    }
    guard let element else { return }
    context.setOutput(
      0, element,
      [count, context.dimensions(0)?[1] ?? .unknown, .known(attributes.height), .known(attributes.width)])
  }

  @Sendable private static func inferPool(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    let element = try context.commonElement(0..<2)
    let attributes = try MaxRoiPoolAttributes(context.node)
    try context.expectRank(0, 4...4)
    try context.expectRank(1, 2...2)
    if let rois = context.dimensions(1) {
      _ = try context.merged(rois[1], .known(5), "the numbers that describe a region")
    }
    guard let element else { return }
    context.setOutput(
      0, element,
      [
        context.dimensions(1)?[0] ?? .unknown, context.dimensions(0)?[1] ?? .unknown,
        .known(attributes.height), .known(attributes.width),
      ])
  }
}

/// `RoiAlign`.
public struct RoiAlignAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable { case avg, max }
  public enum Transformation: String, CaseIterable, Sendable {
    case halfPixel = "half_pixel"
    case outputHalfPixel = "output_half_pixel"
  }

  public let mode: Mode
  public let transformation: Transformation
  public let height: Int
  public let width: Int
  /// Samples along each axis of a bin; 0: as many as the bin has pixels.
  public let samplingRatio: Int
  public let scale: Float

  public init(_ node: Node) throws(GraphError) {
    mode = try node.choice("mode", default: .avg)
    transformation = try node.choice("coordinate_transformation_mode", default: .halfPixel)
    height = try node.int("output_height", default: 1)
    width = try node.int("output_width", default: 1)
    samplingRatio = try node.int("sampling_ratio", default: 0)
    scale = try node.float("spatial_scale", default: 1)
    if height < 1 || width < 1 { throw node.error("an output of \(height) x \(width) is not possible") }
    if samplingRatio < 0 || samplingRatio > 1 << 12 {
      throw node.error("attribute 'sampling_ratio' is \(samplingRatio), which is out of range")
    }
  }
}

/// `MaxRoiPool`.
public struct MaxRoiPoolAttributes: Sendable {
  public let height: Int
  public let width: Int
  public let scale: Float

  public init(_ node: Node) throws(GraphError) {
    guard let shape = try node.ints("pooled_shape"), shape.count == 2, shape[0] > 0, shape[1] > 0 else {
      throw node.error("attribute 'pooled_shape' must hold two positive extents")
    }
    height = shape[0]
    width = shape[1]
    scale = try node.float("spatial_scale", default: 1)
  }
}
