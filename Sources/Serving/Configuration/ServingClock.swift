/// The monotonic time that deadlines and queue delays are measured in; tests put their own in its place.
public protocol ServingClock: Sendable {
  func now() -> ContinuousClock.Instant
}

/// The machine's monotonic clock.
public struct MonotonicClock: ServingClock {
  public init() {}
  public func now() -> ContinuousClock.Instant { .now }
}

extension Duration {
  /// Whole nanoseconds, saturated at 0 and `Int.max`.
  var nanoseconds: Int {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    let (whole, overflow) = Int(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : whole + Int(attoseconds / 1_000_000_000)
  }
}
