/// Searches the range whose 8-bit quantization has the least mean squared error over the histogram. The two
/// ends are moved in turn, each over hundredths of what was observed.
enum MSECalibrator {
  private static let levels = 255.0
  private static let steps = 100
  private static let rounds = 2

  static func range(_ histogram: Histogram, _ observed: ValueRange) -> ValueRange {
    let points = (0..<Histogram.bins).filter { histogram.counts[$0] > 0 }
      .map { (value: histogram.center($0), count: Double(histogram.counts[$0])) }
    let (fullLow, fullHigh) = (min(Double(observed.low), 0), max(Double(observed.high), 0))
    var (low, high) = (fullLow, fullHigh)
    for _ in 0..<rounds {
      high = best(fullHigh) { error(points, low, $0) } ?? high
      low = best(fullLow) { error(points, $0, high) } ?? low
    }
    return ValueRange(low: Float(low), high: Float(high))
  }

  /// The fraction of `full` with the least cost; nil when `full` is zero.
  private static func best(_ full: Double, _ cost: (Double) -> Double) -> Double? {
    if full == 0 { return nil }
    var chosen = full
    var least = cost(full)
    for step in 1..<steps {
      let candidate = full * Double(step) / Double(steps)
      let candidateCost = cost(candidate)
      if candidateCost < least { (chosen, least) = (candidate, candidateCost) }
    }
    return chosen
  }

  private static func error(_ points: [(value: Double, count: Double)], _ low: Double, _ high: Double)
    -> Double
  {
    let scale = (high - low) / levels
    if scale <= 0 { return .infinity }
    let zeroPoint = (-low / scale).rounded(.toNearestOrEven)
    var sum = 0.0
    for point in points {
      let code = min(max((point.value / scale).rounded(.toNearestOrEven) + zeroPoint, 0), levels)
      let difference = point.value - (code - zeroPoint) * scale
      sum += point.count * difference * difference
    }
    return sum
  }
}
