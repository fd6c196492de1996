import Tensors

/// The mean of an activation for each input channel, streamed.
struct ChannelMeans {
  private var sums: [Double]
  private var count = 0
  private let axisFromEnd: Int?

  /// - Parameter isImage: true when channels lie on axis 1 (`[batch, channels, …]`), false for the last axis.
  init(channels: Int, isImage: Bool) {
    sums = [Double](repeating: 0, count: channels)
    axisFromEnd = isImage ? nil : 1
  }

  mutating func add(_ tensor: Tensor) {
    let axis = axisFromEnd.map { tensor.shape.rank - $0 } ?? 1
    guard tensor.shape.rank > axis, axis >= 0, tensor.shape[axis] == sums.count else { return }
    let inner = tensor.shape.product(axis + 1..<tensor.shape.rank)
    tensor.withElements(Float.self) { elements in
      if inner == 1 {
        for (index, element) in elements.enumerated() { sums[index % sums.count] += Double(element) }
      } else {
        for (index, element) in elements.enumerated() { sums[index / inner % sums.count] += Double(element) }
      }
    }
    count += tensor.elementCount / max(sums.count, 1)
  }

  /// Nil when nothing was seen, or a sum is not finite.
  var means: [Double]? {
    if count == 0 || !sums.allSatisfy(\.isFinite) { return nil }
    return sums.map { $0 / Double(count) }
  }
}
