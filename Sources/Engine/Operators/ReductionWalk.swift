import Tensors

/// Which elements of a tensor are reduced into which output element.
struct ReductionWalk: Sendable {
  let outputCount: Int
  let reducedCount: Int
  /// Joined axes that stay, and joined axes that are reduced; innermost last.
  private let kept: [(extent: Int, stride: Int)]
  private let reduced: [(extent: Int, stride: Int)]

  init(_ shape: Shape, axes: [Int]) {
    let strides = shape.strides
    var kept: [(extent: Int, stride: Int)] = []
    var reduced: [(extent: Int, stride: Int)] = []
    for axis in 0..<shape.rank where shape[axis] != 1 {
      let own = (extent: shape[axis], stride: strides[axis])
      if axes.contains(axis) { Self.join(&reduced, own) } else { Self.join(&kept, own) }
    }
    outputCount = kept.reduce(1) { $0 * $1.extent }
    reducedCount = reduced.reduce(1) { $0 * $1.extent }
    self.kept = kept
    self.reduced = reduced
  }

  private static func join(_ list: inout [(extent: Int, stride: Int)], _ next: (extent: Int, stride: Int)) {
    if let last = list.last, last.stride == next.stride * next.extent {
      list[list.count - 1] = (last.extent * next.extent, next.stride)
    } else {
      list.append(next)
    }
  }

  /// True when each output's elements lie side by side and follow each other.
  var isContiguous: Bool {
    reduced.isEmpty || (reduced.count == 1 && reduced[0].stride == 1 && kept.count <= 1)
  }

  /// When one block of axes is reduced and all inner axes stay: the rows of how many elements that are combined.
  var rows: (outer: Int, rows: Int, columns: Int)? {
    guard reduced.count == 1, let inner = kept.last, inner.stride == 1, reduced[0].stride == inner.extent,
      kept.count <= 2
    else { return nil }
    return (kept.count == 2 ? kept[0].extent : 1, reduced[0].extent, inner.extent)
  }

  private func offset(_ index: Int, _ axes: [(extent: Int, stride: Int)]) -> Int {
    var rest = index
    var offset = 0
    for axis in axes.reversed() {
      let (quotient, position) = rest.quotientAndRemainder(dividingBy: axis.extent)
      offset += position * axis.stride
      rest = quotient
    }
    return offset
  }

  /// Calls `body` with the offset of each element that goes into output `output`, in row-major order.
  @inline(__always)
  func forEach(_ output: Int, _ body: (Int) -> Void) {
    let start = offset(output, kept)
    guard let inner = reduced.last else {
      if reducedCount > 0 { body(start) }
      return
    }
    for block in 0..<(inner.extent == 0 ? 0 : reducedCount / inner.extent) {
      let first = start + offset(block * inner.extent, reduced)
      for index in 0..<inner.extent { body(first + index * inner.stride) }
    }
  }
}
