import Synchronization

/// Counts of observations up to fixed bounds, kept without locks.
public final class Histogram: Sendable {
  /// Inclusive upper bounds, ascending, at most 15; a last bucket takes what is above.
  public let bounds: [UInt64]
  private let buckets: [16 of Atomic<UInt64>]
  private let total = Atomic<UInt64>(0)

  public init(bounds: [UInt64]) {
    precondition(bounds.count < 16, "a histogram has at most 15 bounds")
    self.bounds = bounds
    buckets = InlineArray { _ in Atomic<UInt64>(0) }
  }

  public func observe(_ value: UInt64) {
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    buckets[bucket].wrappingAdd(1, ordering: .relaxed)
    total.wrappingAdd(value, ordering: .relaxed)
  }

  /// Observations per bucket, not cumulated; the last one is above every bound.
  public var counts: [UInt64] { (0...bounds.count).map { buckets[$0].load(ordering: .relaxed) } }

  /// Sum of all observations.
  public var sum: UInt64 { total.load(ordering: .relaxed) }
}

/// A number that only grows, counted without locks.
public final class Counter: Sendable {
  private let count = Atomic<UInt64>(0)

  public init() {}
  public func add(_ amount: UInt64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
  public var value: UInt64 { count.load(ordering: .relaxed) }
}
