import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let windowOperators: [OperatorEntry] = [
    window("HannWindow") { sin(Double.pi * $0) * sin(Double.pi * $0) },
    window("HammingWindow") { 25.0 / 46 - 21.0 / 46 * cos(2 * Double.pi * $0) },
    window("BlackmanWindow") { 0.42 - 0.5 * cos(2 * Double.pi * $0) + 0.08 * cos(4 * Double.pi * $0) },
    OperatorEntry("MelWeightMatrix", types: [.int32, .int64]) { source in
      guard let element = source.outputElement() else { throw OperatorFailure.invalid("no output type") }
      return MelOperator(
        access: try ElementAccess(element), edges: try (3..<5).map { try ElementAccess(edge(source, $0)) })
    },
  ]

  private static func window(_ type: String, _ value: @escaping @Sendable (Double) -> Double) -> OperatorEntry
  {
    OperatorEntry(OperatorName(type: type), types: [.int32, .int64]) { source in
      guard let element = source.outputElement() else { throw OperatorFailure.invalid("no output type") }
      return WindowOperator(
        isPeriodic: try source.node.flag("periodic", default: true), access: try ElementAccess(element),
        value: value)
    }
  }

  private static func edge(_ source: OperatorSource, _ input: Int) throws -> ElementType {
    try source.element(input, in: .floats + .halves)
  }
}

/// A window function over its places, which run from 0 to 1; a periodic one leaves the last out.
struct WindowOperator: ShapedOperator {
  let isPeriodic: Bool
  let access: ElementAccess
  let value: @Sendable (Double) -> Double

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let size = try request.output().elementCount
    let (isPeriodic, access, value) = (isPeriodic, access, value)
    return Kernel("window") { operands, _ in
      let span = Double(isPeriodic ? size : size - 1)
      for index in 0..<size {
        // A symmetric window of one place has no span. Rounded as float32, so that a 1 stays a 1 as an integer.
        let height = span == 0 ? 1 : Float(value(Double(index) / span))
        access.write(operands.rawOutput(), index, Double(height))
      }
    }
  }
}

/// `MelWeightMatrix`: triangles over the bins of a spectrum, equally wide on the mel scale.
struct MelOperator: ShapedOperator {
  let access: ElementAccess
  let edges: [ElementAccess]

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.elementCount == 0 { return .nothing }
    let (bins, bands) = (output.shape[0], output.shape[1])
    let readers = try (1..<3).map { try IndexReader(try request.input($0)) }
    let (access, edges) = (access, edges)
    return Kernel("mel_weight_matrix") { operands, _ in
      let length = readers[0](operands, 1, 0)
      let rate = Double(readers[1](operands, 2, 0))
      let low = Self.mel(edges[0].read(operands.rawInput(3), 0))
      let step = (Self.mel(edges[1].read(operands.rawInput(4), 0)) - low) / Double(bands + 2)
      func bin(_ index: Int) throws -> Int {
        let hertz = 700 * (pow(10, (Double(index) * step + low) / 2595) - 1)
        let place = (Double(length + 1) * hertz / rate).rounded(.down)
        guard place >= 0, place < Double(bins) else {
          throw OperatorFailure.invalid("the edge at \(hertz) Hz lies outside of the spectrum")
        }
        return Int(place)
      }
      for index in 0..<(bins * bands) { access.write(operands.rawOutput(), index, 0) }
      for band in 0..<bands {
        let (left, center, right) = (try bin(band), try bin(band + 1), try bin(band + 2))
        if left == center { access.write(operands.rawOutput(), center * bands + band, 1) }
        for index in min(left, center)..<center {
          access.write(
            operands.rawOutput(), index * bands + band, Double(index - left) / Double(center - left))
        }
        if left != center { access.write(operands.rawOutput(), center * bands + band, 1) }
        for index in min(center, right)..<right {
          access.write(
            operands.rawOutput(), index * bands + band, Double(right - index) / Double(right - center))
        }
      }
    }
  }

  /// The mel of a frequency in hertz.
  private static func mel(_ hertz: Double) -> Double { 2595 * log10(1 + hertz / 700) }
}
