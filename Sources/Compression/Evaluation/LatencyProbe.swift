import Glibc
import Tensors

/// Times two models against each other: they take turns, so that a machine that gets slower or faster meanwhile does so
/// for both.
enum LatencyProbe {
  private static let warmUpRuns = 3
  private static let fewestRuns = 20
  /// Of calls so slow that 20 would take several times the budget.
  private static let fewestSlowRuns = 5
  private static let mostTurns = 300
  /// A turn is one call, or so many short ones that they last as long: the first one pays for what the other model has
  /// driven from the caches.
  private static let turnMicroseconds = 100.0
  private static let mostCallsOfATurn = 100.0

  /// - Parameters:
  ///   - batches: rows of a call; models with a fixed batch, or none, are timed with theirs.
  ///   - seconds: for one batch size, both models together.
  /// - Returns: for each batch size the latency of `a` and of `b`.
  static func compare(
    _ a: ModelRunner, _ b: ModelRunner, _ samples: DatasetBinding, batches: [Int], seconds: Double = 1,
    _ meter: ProgressMeter
  ) throws(CompressionError) -> [(a: Latency, b: Latency)] {
    var results: [(a: Latency, b: Latency)] = []
    let sizes = samples.batching == .open ? batches : [Self.rows(samples)]
    for (position, size) in sizes.enumerated() {
      let inputs = try samples.repeatedInputs(rows: size)
      try a.prepare(inputs)
      try b.prepare(inputs)
      try a.execute()
      try b.execute()
      results.append(
        try a.withoutInterruption { () throws(CompressionError) in
          try b.withoutInterruption { () throws(CompressionError) in
            try time(a, b, size, .seconds(seconds), meter)
          }
        })
      try meter.advance(to: Double(position + 1) / Double(sizes.count))
    }
    return results
  }

  /// How many times as fast `b` is as `a`: the geometric mean over the batch sizes; nil when none was measured.
  static func speedup(_ times: [(a: Latency, b: Latency)]) -> Double? {
    if times.isEmpty { return nil }
    let sum = times.reduce(0) { $0 + log($1.a.p50Microseconds / max($1.b.p50Microseconds, 1e-3)) }
    return exp(sum / Double(times.count))
  }

  private static func rows(_ samples: DatasetBinding) -> Int {
    if case .fixed(let extent) = samples.batching { extent } else { 1 }
  }

  private static func time(
    _ a: ModelRunner, _ b: ModelRunner, _ batch: Int, _ budget: Duration, _ meter: ProgressMeter
  ) throws(CompressionError) -> (a: Latency, b: Latency) {
    let clock = ContinuousClock()
    var (timesA, timesB): ([Double], [Double]) = ([], [])
    var warm = 0.0
    for _ in 0..<warmUpRuns { warm = max(try microseconds(a, clock), try microseconds(b, clock)) }
    let calls = Int(max(1, min(turnMicroseconds / max(warm, 0.1), mostCallsOfATurn)))
    let start = clock.now
    while timesA.count < mostTurns * calls {
      let elapsed = clock.now - start
      if timesA.count >= fewestRuns && elapsed > budget { break }
      if timesA.count >= fewestSlowRuns && elapsed > budget * 3 { break }
      for _ in 0..<calls { timesA.append(try microseconds(a, clock)) }
      for _ in 0..<calls { timesB.append(try microseconds(b, clock)) }
      try meter.tick()
    }
    return (summary(timesA, batch), summary(timesB, batch))
  }

  private static func microseconds(
    _ runner: ModelRunner, _ clock: ContinuousClock
  ) throws(CompressionError) -> Double {
    let start = clock.now
    try runner.execute()
    let elapsed = (clock.now - start).components
    return Double(elapsed.seconds) * 1e6 + Double(elapsed.attoseconds) / 1e12
  }

  private static func summary(_ times: [Double], _ batch: Int) -> Latency {
    let sorted = times.sorted()
    let p50 = sorted[sorted.count / 2]
    let p95 = sorted[min(sorted.count - 1, sorted.count * 95 / 100)]
    return Latency(
      batch: batch, p50Microseconds: p50, p95Microseconds: p95,
      rowsPerSecond: Double(batch) * 1e6 / max(p50, 1e-3), runs: times.count)
  }
}
