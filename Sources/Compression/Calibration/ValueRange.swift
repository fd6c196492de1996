/// The smallest and largest value that a tensor takes.
struct ValueRange: Equatable {
  var low: Float
  var high: Float

  /// What holds nothing: the neutral element of `union`.
  static let empty = ValueRange(low: .infinity, high: -.infinity)

  func union(_ other: ValueRange) -> ValueRange {
    ValueRange(low: min(low, other.low), high: max(high, other.high))
  }

  /// Of the finite elements.
  init(of elements: UnsafeBufferPointer<Float>) {
    var range = ValueRange.empty
    for element in elements where element.isFinite {
      range.low = min(range.low, element)
      range.high = max(range.high, element)
    }
    self = range
  }

  init(low: Float, high: Float) {
    self.low = low
    self.high = high
  }
}
