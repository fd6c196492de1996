import GraphIR
import Tensors

/// What smoothing knows of the input of layers: every channel on all calibration data, and some rows as they are.
struct SmoothingSample: Sendable {
  /// The smallest and largest value of each channel, zero included.
  private(set) var lows: [Float]
  private(set) var highs: [Float]
  private(set) var meanMagnitude: [Double]
  private(set) var meanSquare: [Double]
  /// `[count, depth]`, as a layer's matrix is multiplied with them.
  private(set) var rows: [Float]
  /// Rows of the matrix that a channel has: the taps of a convolution.
  let taps: Int
  var depth: Int { lows.count * taps }
  var largest: [Float] { zip(lows, highs).map { max(-$0, $1) } }
}

/// `SmoothingSample` in the making: streamed, in memory that does not grow with the data.
struct SmoothingSampler {
  /// Rows that are kept: up to twice as many.
  private static let leastRows = 64

  private let layer: WeightLayer
  private let input: LayerInputRows
  private let channels: Int
  private var lows, highs: [Float]
  private var magnitudes, squares: [Double]
  private var count = 0
  private var rows: [(hash: UInt64, values: [Float])] = []
  /// A row counts when these bits of its hash are zero.
  private var mask: UInt64 = 0
  private var position: UInt64 = 0

  /// - Parameter layer: one of those that share the input, alike in depth.
  /// - Returns: nil for layers that are no single product.
  init?(_ layer: WeightLayer, in graph: Graph) {
    guard layer.matrix.groups == 1, let input = LayerInputRows(layer, in: graph),
      let channels = layer.inputChannelCount, channels > 0, layer.matrix.depth % channels == 0
    else { return nil }
    if case .convTranspose = layer.kind { return nil }
    self.layer = layer
    self.input = input
    self.channels = channels
    lows = [Float](repeating: 0, count: channels)
    highs = lows
    magnitudes = [Double](repeating: 0, count: channels)
    squares = magnitudes
  }

  /// Tensors of another type or extent are left out.
  mutating func add(_ tensor: Tensor) {
    let seen = tensor.forEachChannelRun(channels: channels, isImage: layer.isConvolution) { channel, run in
      for element in run {
        lows[channel] = min(lows[channel], element)
        highs[channel] = max(highs[channel], element)
        magnitudes[channel] += Double(abs(element))
        squares[channel] += Double(element) * Double(element)
      }
    }
    if seen == 0 { return }
    tensor.withElements(Float.self) { keepRows(tensor.shape, $0) }
    count += seen
  }

  /// Rows are chosen by a hash of their number: a stride could always meet the same token.
  private mutating func keepRows(_ shape: Shape, _ elements: UnsafeBufferPointer<Float>) {
    guard let positions = input.positions(of: shape) else { return }
    for index in 0..<positions.count {
      position += 1
      let hash = SplitMix64.output(position &* SplitMix64.increment)
      if hash & mask != 0 { continue }
      var row = [Float](repeating: 0, count: layer.matrix.depth)
      let isFilled = row.withUnsafeMutableBufferPointer { positions.fill($0, index, 0, elements) }
      if !isFilled { continue }
      rows.append((hash, row))
      while rows.count > 2 * Self.leastRows {
        let wider = mask << 1 | 1
        rows.removeAll { $0.hash & wider != 0 }
        mask = wider
      }
    }
  }

  /// Nil when nothing was seen, or something that is not finite.
  var sample: SmoothingSample? {
    guard count > 0, !rows.isEmpty, squares.allSatisfy(\.isFinite) else { return nil }
    return SmoothingSample(
      lows: lows, highs: highs, meanMagnitude: magnitudes.map { $0 / Double(count) },
      meanSquare: squares.map { $0 / Double(count) }, rows: rows.flatMap(\.values),
      taps: layer.matrix.depth / channels)
  }
}
