/// Finds the `count` smallest of a stream of 32-bit scores in two counting passes: linear time, and memory for
/// 65,536 counters whatever the number of weights.
struct SmallestScores {
  /// Scores below are chosen, and of those equal to it the first `ties`.
  private(set) var threshold: UInt32 = 0
  private(set) var ties = 0

  /// - Parameter forEach: calls its argument with every score, in the same order each time.
  init(count: Int, forEach: ((UInt32) -> Void) -> Void) {
    if count <= 0 { return }
    var counters = [Int](repeating: 0, count: 1 << 16)
    forEach { counters[Int($0 >> 16)] += 1 }
    let (high, beforeHigh) = Self.bucket(of: count, counters)
    counters = [Int](repeating: 0, count: 1 << 16)
    forEach { if $0 >> 16 == UInt32(high) { counters[Int($0 & 0xFFFF)] += 1 } }
    let (low, beforeLow) = Self.bucket(of: count - beforeHigh, counters)
    threshold = UInt32(high) << 16 | UInt32(low)
    ties = count - beforeHigh - beforeLow
  }

  /// True when the next score in order is chosen.
  mutating func chooses(_ score: UInt32) -> Bool {
    if score != threshold { return score < threshold }
    if ties == 0 { return false }
    ties -= 1
    return true
  }

  /// The bucket that holds the `count`th item, and how many items lie in lower buckets.
  private static func bucket(of count: Int, _ counters: [Int]) -> (bucket: Int, before: Int) {
    var before = 0
    for (bucket, number) in counters.enumerated() {
      if before + number >= count { return (bucket, before) }
      before += number
    }
    preconditionFailure("more scores wanted than there are")
  }
}
