import Tensors

extension Tensor {
  /// Calls `body` with every run of elements that lie in one channel, in the order of the tensor.
  ///
  /// - Parameter isImage: true when channels lie on axis 1 (`[batch, channels, …]`), false for the last axis.
  /// - Returns: the elements of each channel; 0, and nothing is called, for a tensor of another type or extent.
  func forEachChannelRun(
    channels: Int, isImage: Bool, _ body: (_ channel: Int, _ run: Slice<UnsafeBufferPointer<Float>>) -> Void
  ) -> Int {
    let axis = isImage ? 1 : shape.rank - 1
    guard type == .float32, axis >= 0, shape.rank > axis, shape[axis] == channels, elementCount > 0 else {
      return 0
    }
    let inner = shape.product(axis + 1..<shape.rank)
    withElements(Float.self) { elements in
      for start in stride(from: 0, to: elements.count, by: inner) {
        body(start / inner % channels, elements[start..<start + inner])
      }
    }
    return elementCount / channels
  }
}
