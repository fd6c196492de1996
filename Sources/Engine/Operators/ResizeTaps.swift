import GraphIR

/// For each output position along one axis: which input positions it is made of, and with which weights.
struct ResizeTaps: Sendable {
  /// `count` neighbours for each output position.
  let count: Int
  let positions: [Int]
  let weights: [Float]
  /// Positions that lie outside the input when the model asks for an extrapolation value there.
  let isOutside: [Bool]

  /// True when the axis stays as it is.
  var isIdentity: Bool {
    count == 1 && positions == Array(positions.indices) && !isOutside.contains(true)
  }

  /// Places further out than this are moved here: outside every axis that has taps, and safe to count with.
  private static var farthest: Float { 0x1p40 }
  /// The most input elements that make one output element.
  private static var reachLimit: Float { 0x1p30 }

  /// - Parameters:
  ///   - scale: output by input extent.
  ///   - length: the resized extent before it is rounded to `output`.
  ///   - roi: start and end of the region for `tf_crop_and_resize`, as parts of the axis.
  /// - Throws: `.invalid` for scales and regions that are not finite, or lead to places that are not.
  init(
    _ attributes: ResizeAttributes, input: Int, output: Int, scale: Float, length: Float,
    roi: (start: Float, end: Float)
  ) throws(OperatorFailure) {
    let mapping = Mapping(
      attributes.coordinates, input: input, output: output, scale: scale, length: length, roi: roi)
    let exact = (0..<output).map { mapping.origin(of: Float($0)) }
    if !exact.allSatisfy(\.isFinite) {
      throw .invalid(
        "the scale \(scale) or the region \(roi.start) to \(roi.end) leads to no place in the input")
    }
    let origins = exact.map { min(max($0, -Self.farthest), Self.farthest) }
    let isCrop = attributes.coordinates == .cropAndResize
    isOutside = origins.map { isCrop && ($0 < 0 || $0 > Float(input - 1)) }
    if attributes.mode == .nearest || input == output && scale == 1 && !isCrop {
      count = 1
      positions =
        attributes.mode == .nearest
        ? origins.map { min(max(Self.nearest($0, attributes.nearest), 0), input - 1) } : Array(0..<output)
      weights = Array(repeating: 1, count: output)
      return
    }
    let isCubic = attributes.mode == .cubic
    let width = attributes.antialias ? min(scale, 1) : 1
    let reach = isCubic ? Float(2) : 1
    if !(reach / width <= Self.reachLimit) { throw .invalid("the scale \(scale) is too small") }
    let first = Int((-reach / width).rounded(.down)) + 1
    let neighbours = (isCubic ? 4 : 2) - 2 * (first + (isCubic ? 1 : 0))
    count = neighbours
    var positions: [Int] = []
    var weights: [Float] = []
    for origin in origins {
      let base = origin.rounded(.down)
      var own: [Float] = []
      for tap in 0..<neighbours {
        let position = Int(base) + first + tap
        let distance = abs((Float(first + tap) - (origin - base)) * width)
        let isExcluded = attributes.excludesOutside && (position < 0 || position >= input)
        positions.append(min(max(position, 0), input - 1))
        own.append(
          isExcluded ? 0 : isCubic ? Self.cubic(distance, attributes.cubicCoefficient) : max(0, 1 - distance))
      }
      let sum = own.reduce(0, +)
      weights += own.map { sum == 0 ? 0 : $0 / sum }
    }
    self.positions = positions
    self.weights = weights
  }

  private static func nearest(_ origin: Float, _ mode: ResizeAttributes.Nearest) -> Int {
    switch mode {
    case .floor: Int(origin.rounded(.down))
    case .ceil: Int(origin.rounded(.up))
    case .roundPreferCeil: Int((origin + 0.5).rounded(.down))
    case .roundPreferFloor: Int((origin - 0.5).rounded(.up))
    }
  }

  /// Keys' cubic convolution kernel ("Cubic convolution interpolation for digital image processing", 1981).
  private static func cubic(_ x: Float, _ a: Float) -> Float {
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    return 0
  }

  /// `coordinate_transformation_mode`.
  private struct Mapping {
    let mode: ResizeAttributes.Coordinates
    let input: Float
    let output: Float
    let scale: Float
    let roi: (start: Float, end: Float)
    let length: Float

    init(
      _ mode: ResizeAttributes.Coordinates, input: Int, output: Int, scale: Float, length: Float,
      roi: (start: Float, end: Float)
    ) {
      self.mode = mode
      self.input = Float(input)
      self.output = Float(output)
      self.scale = scale
      self.roi = roi
      self.length = length
    }

    func origin(of position: Float) -> Float {
      switch mode {
      case .halfPixel: return (position + 0.5) / scale - 0.5
      case .pytorchHalfPixel: return output > 1 ? (position + 0.5) / scale - 0.5 : 0
      case .asymmetric: return position / scale
      case .alignCorners: return length == 1 ? 0 : position * (input - 1) / (length - 1)
      case .halfPixelSymmetric:
        let adjustment = output / length
        let center = input / 2
        return center * (1 - adjustment) + (position + 0.5) / scale - 0.5
      case .cropAndResize:
        let last = input - 1
        if length == 1 { return 0.5 * (roi.start + roi.end) * last }
        return roi.start * last + position * (roi.end - roi.start) * last / (length - 1)
      }
    }
  }
}
