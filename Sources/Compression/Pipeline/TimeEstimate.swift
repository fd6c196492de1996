import Glibc

/// How long work will go on, told from how far it has come.
///
/// The plain estimate elapsed · (1 − f) / f jumps whenever a stage is quicker or slower than its share of the whole.
/// So the last estimate counts down by itself and is drawn towards the plain one with a time constant.
struct TimeEstimate {
  /// Below these the plain estimate says nothing.
  private static let leastFraction = 0.02
  private static let leastSeconds = 0.5
  /// Seconds after which 63 % of a difference are taken over.
  private static let timeConstant = 3.0

  private var last: (seconds: Double, left: Double)?

  /// Seconds left, or nil while there is too little to tell from.
  /// - Parameters:
  ///   - fraction: of the work that is done, 0…1.
  ///   - seconds: since the start of the work; never less than before.
  mutating func update(_ fraction: Double, at seconds: Double) -> Double? {
    if fraction >= 1 { return 0 }
    guard fraction >= Self.leastFraction, seconds >= Self.leastSeconds else { return nil }
    let plain = seconds * (1 - fraction) / fraction
    var left = plain
    if let last {
      let passed = max(seconds - last.seconds, 0)
      let counted = max(last.left - passed, 0)
      left = counted + (plain - counted) * (1 - exp(-passed / Self.timeConstant))
    }
    last = (seconds: seconds, left: left)
    return left
  }
}
