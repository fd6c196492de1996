/// How a layer's weights are spread: counts in bins of equal width.
public struct WeightHistogram: Codable, Sendable, Equatable {
  /// The lower bound of the first bin and the upper one of the last.
  public var low: Double
  public var high: Double
  public var counts: [Int]

  public static let bins = 64

  /// Counts `values` between `low` and `high`; what lies outside falls into the outermost bins, and what is not
  /// finite is left out.
  init(_ values: some Sequence<Float>, low: Double, high: Double) {
    self.low = low
    self.high = high
    counts = [Int](repeating: 0, count: Self.bins)
    let scale = high > low ? Double(Self.bins) / (high - low) : 0
    for value in values where value.isFinite {
      let place = ((Double(value) - low) * scale).rounded(.down)
      counts[Int(min(max(place, 0), Double(Self.bins - 1)))] += 1
    }
  }

  /// Of the same weights before and after a change, over the range of both, so that one can lie over the other.
  /// - Returns: nil when no value is finite.
  static func pair(before: [Float], after: [Float]) -> (before: WeightHistogram, after: WeightHistogram)? {
    var range: (low: Float, high: Float)?
    for values in [before, after] {
      for value in values where value.isFinite {
        range = (min(range?.low ?? value, value), max(range?.high ?? value, value))
      }
    }
    guard let (least, most) = range else { return nil }
    let (low, high) = (Double(least), Double(most))
    return (WeightHistogram(before, low: low, high: high), WeightHistogram(after, low: low, high: high))
  }
}
