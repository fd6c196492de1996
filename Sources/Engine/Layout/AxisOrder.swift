/// In which order the axes of a value lie in memory.
struct AxisOrder: Sendable, Hashable {
  /// `axes[i]` is the axis of the value that is axis `i` of the stored tensor.
  let axes: [Int]

  init(_ axes: [Int]) { self.axes = axes }

  static func natural(_ rank: Int) -> AxisOrder { AxisOrder(Array(0..<rank)) }

  /// `[batch, channels, d1 …]` with the channels of a pixel next to each other.
  static func channelsLast(_ rank: Int) -> AxisOrder { AxisOrder([0] + Array(2..<rank) + [1]) }

  var rank: Int { axes.count }
  var isNatural: Bool { axes == Array(axes.indices) }

  /// The axis of the stored tensor that is axis `axis` of the value; nil when there is no such axis. Negative ones
  /// count from the end.
  func place(of axis: Int) -> Int? { axes.firstIndex(of: axis < 0 ? axis + rank : axis) }

  /// What Transpose needs to make `other` of this order.
  func permutation(to other: AxisOrder) -> [Int] { other.axes.compactMap { place(of: $0) } }

  /// One element for each axis of the value, as the stored tensor has them.
  func reordered<Element>(_ elements: [Element]) -> [Element] { axes.map { elements[$0] } }

  /// The order in which a value lies that is the transposition of this order's by `permutation`.
  func transposed(by permutation: [Int]) -> AxisOrder {
    AxisOrder(axes.compactMap { permutation.firstIndex(of: $0) })
  }
}
