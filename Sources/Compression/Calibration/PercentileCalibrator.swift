/// Cuts off the same share of values at both ends.
enum PercentileCalibrator {
  /// - Parameter percentile: of the values that stay inside, 50…100.
  static func range(_ histogram: Histogram, _ observed: ValueRange, _ percentile: Double) -> ValueRange {
    let tail = Double(histogram.total) * (1 - percentile / 100) / 2
    var low = observed.low
    var seen = 0.0
    for bin in 0..<Histogram.bins {
      seen += Double(histogram.counts[bin])
      if seen > tail {
        low = max(low, Float(histogram.center(bin) - histogram.binWidth / 2))
        break
      }
    }
    var high = observed.high
    seen = 0
    for bin in (0..<Histogram.bins).reversed() {
      seen += Double(histogram.counts[bin])
      if seen > tail {
        high = min(high, Float(histogram.center(bin) + histogram.binWidth / 2))
        break
      }
    }
    return ValueRange(low: low, high: high)
  }
}
