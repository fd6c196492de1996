import Tensors

enum ResizeRule {
  static let rule = OperatorRule(
    "Resize", inputs: 1...4,
    attributes: [
      "antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
      "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode",
    ], infer: infer)

  @Sendable private static func infer(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try ResizeAttributes(context.node)
    try context.expect(2, .float32)
    try context.expect(3, .int64)
    let hasScales = context.node.hasInput(2) && context.shape(2) != [0]
    if hasScales == context.node.hasInput(3) { throw context.error("needs either scales or sizes") }
    guard let type = context.type(0) else { return }
    guard let dimensions = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    let axes = try attributes.resolveAxes(rank: dimensions.count)
    var result = dimensions
    for axis in axes { result[axis] = .unknown }
    if let scales = hasScales ? context.constant(2) : nil {
      try scale(&result, dimensions, by: scales.array(of: Float.self), axes, context)
    } else if !hasScales, let sizes = context.knownElements(3) {
      try setSizes(&result, dimensions, sizes, axes, attributes, context)
    }
    context.setOutput(0, type.element, result)
  }

  private static func scale(
    _ result: inout [Dimension], _ input: [Dimension], by scales: [Float], _ axes: [Int],
    _ context: InferenceContext
  ) throws(GraphError) {
    if scales.count != axes.count { throw context.error("\(scales.count) scales for \(axes.count) axes") }
    for (axis, scale) in zip(axes, scales) {
      guard scale > 0, scale.isFinite else { throw context.error("a scale of \(scale)") }
      if scale == 1 {
        result[axis] = input[axis]
      } else if let extent = input[axis].extent {
        guard let size = ResizeAttributes.extent(extent, scaledBy: scale) else {
          throw context.error("axis \(axis) of \(extent) elements scaled by \(scale) is too large")
        }
        result[axis] = .known(size)
      }
    }
  }

  private static func setSizes(
    _ result: inout [Dimension], _ input: [Dimension], _ sizes: [Dimension], _ axes: [Int],
    _ attributes: ResizeAttributes, _ context: InferenceContext
  ) throws(GraphError) {
    if sizes.count != axes.count { throw context.error("\(sizes.count) sizes for \(axes.count) axes") }
    if attributes.aspectRatio == .stretch {
      for (axis, size) in zip(axes, sizes) { result[axis] = size }
      return
    }
    let wanted = sizes.compactMap(\.extent)
    let extents = axes.compactMap { input[$0].extent }
    guard wanted.count == axes.count, extents.count == axes.count else { return }
    let fitted = try attributes.fit(sizes: wanted, to: extents, context.node)
    for (axis, size) in zip(axes, fitted) { result[axis] = .known(size) }
  }
}

/// `Resize`.
public struct ResizeAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable { case nearest, linear, cubic }
  public enum Coordinates: String, CaseIterable, Sendable {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
    case cropAndResize = "tf_crop_and_resize"
  }
  public enum Nearest: String, CaseIterable, Sendable {
    case roundPreferFloor = "round_prefer_floor"
    case roundPreferCeil = "round_prefer_ceil"
    case floor, ceil
  }
  public enum AspectRatio: String, CaseIterable, Sendable {
    case stretch
    case notLarger = "not_larger"
    case notSmaller = "not_smaller"
  }

  public let mode: Mode
  public let coordinates: Coordinates
  public let nearest: Nearest
  public let aspectRatio: AspectRatio
  public let cubicCoefficient: Float
  public let excludesOutside: Bool
  public let extrapolationValue: Float
  public let antialias: Bool
  /// Axes that are resized, as the file gives them; nil: all.
  public let axes: [Int]?
  private let node: Node

  public init(_ node: Node) throws(GraphError) {
    mode = try node.choice("mode", default: .nearest)
    coordinates = try node.choice("coordinate_transformation_mode", default: .halfPixel)
    nearest = try node.choice("nearest_mode", default: .roundPreferFloor)
    aspectRatio = try node.choice("keep_aspect_ratio_policy", default: .stretch)
    cubicCoefficient = try node.float("cubic_coeff_a", default: -0.75)
    excludesOutside = try node.flag("exclude_outside")
    extrapolationValue = try node.float("extrapolation_value", default: 0)
    antialias = try node.flag("antialias")
    axes = try node.ints("axes")
    self.node = node
  }

  /// The resized axes, counted from the front.
  public func resolveAxes(rank: Int) throws(GraphError) -> [Int] {
    guard let axes else { return Array(0..<rank) }
    var result: [Int] = []
    for axis in axes {
      let position = axis < 0 ? axis &+ rank : axis
      guard (0..<rank).contains(position), !result.contains(position) else {
        throw node.error("axis \(axis) is out of range for rank \(rank) or named twice")
      }
      result.append(position)
    }
    return result
  }

  /// `floor(extent * scale)` in float32, as the operator defines it; nil when too large.
  public static func extent(_ extent: Int, scaledBy scale: Float) -> Int? {
    Int(exactly: (Float(extent) * scale).rounded(.down))
  }

  /// The output extents for the wanted `sizes` under the aspect-ratio policy.
  public func fit(sizes: [Int], to extents: [Int], _ node: Node) throws(GraphError) -> [Int] {
    if aspectRatio == .stretch { return sizes }
    var scale: Double?
    for (size, extent) in zip(sizes, extents) {
      if extent <= 0 || size < 0 {
        throw node.error("an axis of \(extent) elements cannot be resized to \(size)")
      }
      let ratio = Double(size) / Double(extent)
      scale = scale.map { aspectRatio == .notLarger ? min($0, ratio) : max($0, ratio) } ?? ratio
    }
    var result: [Int] = []
    for extent in extents {
      guard let size = Int(exactly: ((scale ?? 1) * Double(extent) + 0.5).rounded(.down)) else {
        throw node.error("the resized axis is too large")
      }
      result.append(size)
    }
    return result
  }
}
