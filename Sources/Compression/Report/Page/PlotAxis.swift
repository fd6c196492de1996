import Glibc

/// Where values lie along one side of a plot.
struct PlotAxis: Sendable {
  let low: Double
  let high: Double
  /// Round values with their labels, inside of the axis.
  let ticks: [(value: Double, label: String)]
  /// Pixels at `low` and `high`.
  private let start: Double
  private let end: Double

  /// - Parameter values: what is to be seen; what is not finite is left out.
  /// - Returns: nil when no value is finite, or they are too far apart for a difference.
  init?(_ values: [Double], from start: Double, to end: Double, includesZero: Bool, label: (Double) -> String)
  {
    var seen = values.filter(\.isFinite)
    if includesZero && !seen.isEmpty { seen.append(0) }
    guard let least = seen.min(), let most = seen.max(), (most - least).isFinite else { return nil }
    let margin = most > least ? (most - least) * 0.06 : max(abs(most) * 0.1, 1e-6)
    low = includesZero && least == 0 ? 0 : least - margin
    high = most + margin
    guard (high - low).isFinite, high > low else { return nil }
    self.start = start
    self.end = end
    ticks = Self.roundValues(low, high).map { ($0, label($0)) }
  }

  func pixel(_ value: Double) -> Double {
    start + (end - start) * min(max((value - low) / (high - low), 0), 1)
  }

  /// Multiples of 1, 2 or 5 times a power of ten, four to eight of them (Heckbert, Graphics Gems 1990).
  private static func roundValues(_ low: Double, _ high: Double) -> [Double] {
    let power = pow(10, ((log10((high - low) / 5))).rounded(.down))
    let multiple = (high - low) / 5 / power
    let step = (multiple < 1.5 ? 1 : multiple < 3.5 ? 2 : multiple < 7.5 ? 5 : 10) * power
    guard step > 0, step.isFinite else { return [] }
    let first = (low / step).rounded(.up)
    return (0..<12).map { (first + Double($0)) * step }.filter { $0 <= high }
  }
}
