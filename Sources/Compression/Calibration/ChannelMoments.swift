import Tensors

/// Mean and spread of a tensor's elements for each channel, streamed.
struct ChannelMoments {
  private var sums: [Double]
  private var squares: [Double]
  private var count = 0
  private let isImage: Bool

  /// - Parameter isImage: as in `Tensor.forEachChannelRun`.
  init(channels: Int, isImage: Bool) {
    sums = [Double](repeating: 0, count: channels)
    squares = sums
    self.isImage = isImage
  }

  /// Tensors of another type or extent are left out.
  mutating func add(_ tensor: Tensor) {
    count += tensor.forEachChannelRun(channels: sums.count, isImage: isImage) { channel, run in
      var (sum, square) = (0.0, 0.0)
      for element in run {
        sum += Double(element)
        square += Double(element) * Double(element)
      }
      sums[channel] += sum
      squares[channel] += square
    }
  }

  /// Nil when nothing was seen, or something that is not finite.
  var moments: (means: [Double], deviations: [Double])? {
    guard count > 0, squares.allSatisfy(\.isFinite) else { return nil }
    let means = sums.map { $0 / Double(count) }
    let deviations = zip(squares, means).map { max($0 / Double(count) - $1 * $1, 0).squareRoot() }
    return (means, deviations)
  }
}
