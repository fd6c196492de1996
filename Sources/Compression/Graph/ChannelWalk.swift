import Tensors

/// Which channel each element of a row-major tensor belongs to.
struct ChannelWalk {
  private let inner: Int
  private let channels: Int

  init(_ shape: Shape, axis: Int) {
    inner = max(shape.product(axis + 1..<shape.rank), 1)
    channels = max(shape[axis], 1)
  }

  func channel(of element: Int) -> Int { element / inner % channels }
}
