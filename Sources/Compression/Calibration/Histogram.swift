/// Counts of values in equal bins over −limit…limit. When a value lies outside, the limit doubles and bins merge
/// in pairs, so that counts stay exact and memory does not depend on the number of samples.
struct Histogram {
  static let bins = 8192

  private(set) var counts = [Int](repeating: 0, count: Histogram.bins)
  /// 0 until the first value that is not zero.
  private(set) var limit: Float = 0
  private(set) var total = 0
  private var zeros = 0

  var binWidth: Double { 2 * Double(limit) / Double(Self.bins) }

  /// The middle of bin `bin`.
  func center(_ bin: Int) -> Double { -Double(limit) + (Double(bin) + 0.5) * binWidth }

  /// Adds the finite elements.
  mutating func add(_ elements: UnsafeBufferPointer<Float>) {
    let range = ValueRange(of: elements)
    let largest = max(abs(range.low), abs(range.high))
    if !largest.isFinite { return }
    grow(to: largest)
    if limit == 0 {
      zeros += elements.reduce(0) { $0 + ($1 == 0 ? 1 : 0) }
      total = zeros
      return
    }
    let scale = Float(Self.bins / 2) / limit
    for element in elements where element.isFinite {
      let bin = Self.bins / 2 + Int((element * scale).rounded(.down))
      counts[min(max(bin, 0), Self.bins - 1)] += 1
      total += 1
    }
  }

  private mutating func grow(to largest: Float) {
    if largest <= limit { return }
    if limit == 0 {
      limit = largest
      counts[Self.bins / 2] = zeros
      return
    }
    while limit < largest && limit < .greatestFiniteMagnitude / 2 {
      var merged = [Int](repeating: 0, count: Self.bins)
      for (bin, count) in counts.enumerated() { merged[Self.bins / 4 + bin / 2] += count }
      counts = merged
      limit *= 2
    }
    // Only a value within a factor of two of the largest float comes here.
    if limit < largest { limit = .greatestFiniteMagnitude }
  }
}
