import Tensors

/// Fourier transforms, the windows they are used with, and mel filter banks.
enum SignalRules {
  static let all: [OperatorRule] =
    [
      OperatorRule("DFT", inputs: 1...3, attributes: ["inverse", "onesided"], infer: inferDFT),
      OperatorRule(
        "STFT", inputs: 2...4, attributes: ["onesided"], infer: inferSTFT),
      OperatorRule("MelWeightMatrix", inputs: 5...5, attributes: ["output_datatype"], infer: inferMel),
    ]
    + ["HannWindow", "HammingWindow", "BlackmanWindow"].map {
      OperatorRule(
        OperatorName(type: $0), inputs: 1...1, attributes: ["output_datatype", "periodic"], infer: inferWindow
      )
    }

  /// The one element of integer input `index`, which must not be less than `least`; nil when it is not known.
  private static func scalar(
    _ context: InferenceContext, _ index: Int, atLeast least: Int, _ what: String
  ) throws(GraphError) -> Int? {
    guard let values = try context.integers(index) else { return nil }
    if values.count != 1 { throw context.error("\(what) must be one number") }
    if values[0] < least { throw context.error("\(what) is \(values[0])") }
    return values[0]
  }

  private static func expectComplex(_ context: InferenceContext) throws(GraphError) {
    if let parts = context.dimensions(0)?.last?.extent, parts != 1 && parts != 2 {
      throw context.error("the last axis holds \(parts) numbers, not a real or a complex one")
    }
  }

  @Sendable private static func inferDFT(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try FourierAttributes(context.node, onesided: false)
    try context.expect(0, .float)
    try context.expectRank(0, 2...Int.max)
    try expectComplex(context)
    guard let element = context.element(0) else { return }
    guard let x = context.dimensions(0) else { return context.setOutput(0, element, nil) }
    let isReal = attributes.isInverse && attributes.isOnesided
    var result = x
    result[x.count - 1] = .known(isReal ? 1 : 2)
    let hasAxis = context.node.hasInput(2)
    guard let axis = hasAxis ? try context.integers(2)?.first : -2 else {
      return context.setOutput(0, element, x.dropLast().map { _ in .unknown } + [result[x.count - 1]])
    }
    let place = try context.resolveAxis(axis, rank: x.count)
    if place == x.count - 1 { throw context.error("the last axis holds numbers, not a signal") }
    result[place] = .unknown
    if let length = try length(context, x[place], isReal: isReal) {
      if length < 1 { throw context.error("a transform of \(length) elements is not possible") }
      result[place] = .known(attributes.isOnesided && !isReal ? length / 2 + 1 : length)
    }
    context.setOutput(0, element, result)
  }

  private static func length(
    _ context: InferenceContext, _ extent: Dimension, isReal: Bool
  ) throws(GraphError) -> Int? {
    if context.node.hasInput(1) { return try scalar(context, 1, atLeast: 1, "dft_length") }
    guard let extent = extent.extent else { return nil }
    return isReal ? try context.multiply(2, extent - 1) : extent
  }

  @Sendable private static func inferSTFT(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try FourierAttributes(context.node, onesided: true)
    try context.expect(0, .float)
    try context.expectRank(0, 3...3)
    try context.expectRank(2, 1...1)
    try expectComplex(context)
    let element = try context.commonElement([0, 2])
    let step = try scalar(context, 1, atLeast: 1, "frame_step")
    var length = context.node.hasInput(3) ? try scalar(context, 3, atLeast: 1, "frame_length") : nil
    if let window = context.dimensions(2)?[0].extent {
      if let length, length != window {
        throw context.error("the window has \(window) elements, a frame \(length)")
      }
      length = window
    }
    if !context.node.hasInput(2) && !context.node.hasInput(3) {
      length = context.dimensions(0)?[1].extent
    }
    var frames = Dimension.unknown
    if let step, let length, let signal = context.dimensions(0)?[1].extent {
      if length < 1 || length > signal {
        throw context.error("a frame of \(length) elements does not fit a signal of \(signal)")
      }
      frames = .known((signal - length) / step + 1)
    }
    let bins = length.map { Dimension.known(attributes.isOnesided ? $0 / 2 + 1 : $0) } ?? .unknown
    guard let element else { return }
    context.setOutput(0, element, [context.dimensions(0)?[0] ?? .unknown, frames, bins, .known(2)])
  }

  @Sendable private static func inferMel(_ context: inout InferenceContext) throws(GraphError) {
    for input in 0..<3 { try context.expect(input, .index) }
    for input in 3..<5 { try context.expect(input, .float) }
    for input in 0..<5 { try context.expectRank(input, 0...1) }
    let bands = try scalar(context, 0, atLeast: 0, "num_mel_bins")
    let length = try scalar(context, 1, atLeast: 0, "dft_length")
    _ = try scalar(context, 2, atLeast: 1, "sample_rate")
    context.setOutput(
      0, try outputType(context),
      [length.map { .known($0 / 2 + 1) } ?? .unknown, bands.map(Dimension.known) ?? .unknown])
  }

  @Sendable private static func inferWindow(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .index)
    _ = try context.node.flag("periodic", default: true)
    let size = try scalar(context, 0, atLeast: 0, "the window's size")
    context.setOutput(0, try outputType(context), [size.map(Dimension.known) ?? .unknown])
  }

  private static func outputType(_ context: InferenceContext) throws(GraphError) -> ElementType {
    let type = try context.node.elementType("output_datatype") ?? .float32
    if !ElementSet.numeric.contains(type) { throw context.error("output_datatype is \(type.name)") }
    return type
  }
}

/// `DFT` and `STFT`.
public struct FourierAttributes: Sendable {
  public let isInverse: Bool
  /// Only the first half of the spectrum of a real signal is given, or taken.
  public let isOnesided: Bool

  public init(_ node: Node, onesided: Bool) throws(GraphError) {
    isInverse = try node.flag("inverse")
    isOnesided = try node.flag("onesided", default: onesided)
  }
}
