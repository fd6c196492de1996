import Tensors

/// Mean and spread of a tensor's elements for each channel, streamed.
struct ChannelMoments {
  private var sums: [Double]
  private var squares: [Double]
  private var count = 0
  private let isImage: Bool

  /// - Parameter isImage: true when channels lie on axis 1 (`[batch, channels, …]`), false for the last axis.
  init(channels: Int, isImage: Bool) {
    sums = [Double](repeating: 0, count: channels)
    squares = sums
    self.isImage = isImage
  }

  /// Tensors of another type or extent are left out.
  mutating func add(_ tensor: Tensor) {
    let axis = isImage ? 1 : tensor.shape.rank - 1
    let channels = sums.count
    guard tensor.type == .float32, tensor.shape.rank > axis, axis >= 0, tensor.shape[axis] == channels,
      tensor.elementCount > 0
    else { return }
    let inner = tensor.shape.product(axis + 1..<tensor.shape.rank)
    tensor.withElements(Float.self) { elements in
      for start in stride(from: 0, to: elements.count, by: inner) {
        let channel = start / inner % channels
        var (sum, square) = (0.0, 0.0)
        for element in elements[start..<start + inner] {
          sum += Double(element)
          square += Double(element) * Double(element)
        }
        sums[channel] += sum
        squares[channel] += square
      }
    }
    count += tensor.elementCount / channels
  }

  /// Nil when nothing was seen, or something that is not finite.
  var moments: (means: [Double], deviations: [Double])? {
    guard count > 0, squares.allSatisfy(\.isFinite) else { return nil }
    let means = sums.map { $0 / Double(count) }
    let deviations = zip(squares, means).map { max($0 / Double(count) - $1 * $1, 0).squareRoot() }
    return (means, deviations)
  }
}
