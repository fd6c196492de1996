/// Sums over the first points of a sorted sequence, from which the cost of any interval follows in constant time.
struct IntervalSums: Sendable {
  /// Element i is over the first i points: Σw, Σw(x - origin), Σw(x - origin)².
  private(set) var weight: [Double] = [0]
  private(set) var first: [Double] = [0]
  private(set) var second: [Double] = [0]
  /// Near the middle of the points, so that squares of large numbers do not cancel.
  let origin: Double
  /// The point that is zero, when the interval that holds it has its center fixed there.
  var zero: Int?

  init(origin: Double) { self.origin = origin }

  var count: Int { weight.count - 1 }

  /// Begins a point that counts for nothing yet.
  mutating func appendPoint() {
    weight.append(weight[weight.count - 1])
    first.append(first[first.count - 1])
    second.append(second[second.count - 1])
  }

  /// Adds a number to the last point.
  mutating func add(_ value: Double, weight added: Double) {
    let last = weight.count - 1
    let distance = value - origin
    weight[last] += added
    first[last] += added * distance
    second[last] += added * distance * distance
  }

  /// Points start..<end as one cluster: its squared error about its mean, or about zero when it holds `zero`.
  func cost(_ start: Int, _ end: Int) -> Double {
    let w = weight[end] - weight[start]
    let x = first[end] - first[start]
    let square = second[end] - second[start]
    if let zero, start <= zero, zero < end { return max(square + origin * (2 * x + origin * w), 0) }
    return w > 0 ? max(square - x * x / w, 0) : 0
  }

  /// The mean of points start..<end, or zero when they hold `zero`.
  func center(_ start: Int, _ end: Int) -> Double {
    if let zero, start <= zero, zero < end { return 0 }
    let w = weight[end] - weight[start]
    return w > 0 ? origin + (first[end] - first[start]) / w : origin
  }

  /// The sums of bins: bin i holds points starts[i]..<starts[i + 1]. The point at zero must be a bin of its own.
  func merged(_ starts: [Int]) -> IntervalSums {
    var result = IntervalSums(origin: origin)
    result.zero = zero.flatMap { starts.firstIndex(of: $0) }
    result.weight = starts.map { weight[$0] }
    result.first = starts.map { first[$0] }
    result.second = starts.map { second[$0] }
    return result
  }
}

/// The best division of a sorted sequence into intervals, by dynamic programming.
struct IntervalPartition {
  private let sums: IntervalSums
  /// The least cost of the first i points in one cluster fewer than now computed, and in as many.
  private var before: [Double]
  private var now: [Double]
  /// Where the last cluster of the first i points starts.
  private var splits: [Int32]

  /// - Returns: min(clusters, count) + 1 places, from 0 to `sums.count`: each interval starts at one and ends before the
  ///   next.
  static func best(_ sums: IntervalSums, _ clusters: Int) -> [Int] {
    if clusters >= sums.count { return Array(0...sums.count) }
    var partition = IntervalPartition(sums)
    var layers: [[Int32]] = []
    for cluster in 1..<clusters {
      partition.fill(cluster + 1, sums.count, cluster, sums.count - 1)
      layers.append(partition.splits)
      swap(&partition.before, &partition.now)
    }
    var cuts = [sums.count]
    for layer in layers.reversed() { cuts.append(Int(layer[cuts[cuts.count - 1]])) }
    cuts.append(0)
    return cuts.reversed()
  }

  private init(_ sums: IntervalSums) {
    self.sums = sums
    before = (0...sums.count).map { sums.cost(0, $0) }
    now = before
    splits = [Int32](repeating: 0, count: sums.count + 1)
  }

  /// Fills `now` and `splits` for the first low…high points, whose last cluster starts in first…last.
  private mutating func fill(_ low: Int, _ high: Int, _ first: Int, _ last: Int) {
    if low > high { return }
    let middle = (low + high) / 2
    var best = Double.infinity
    var split = first
    for start in first...min(last, middle - 1) {
      let cost = before[start] + sums.cost(start, middle)
      if cost < best { (best, split) = (cost, start) }
    }
    now[middle] = best
    splits[middle] = Int32(split)
    fill(low, middle - 1, first, split)
    fill(middle + 1, high, split, last)
  }
}
