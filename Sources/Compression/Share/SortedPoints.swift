/// The distinct numbers among many, ascending, with what they count for.
struct SortedPoints: Sendable {
  private(set) var values: [Float] = []
  private(set) var sums: IntervalSums

  var count: Int { values.count }

  /// Numbers that are not finite, and those whose weight is not positive and finite, are left out; when no weight is,
  /// all count the same.
  ///
  /// - Parameter zero: 0 to make it a point whatever its weight, with a center of its own; or nil.
  init(_ numbers: UnsafeBufferPointer<Float>, _ weights: UnsafeBufferPointer<Float>?, including zero: Float?)
  {
    precondition(weights == nil || weights?.count == numbers.count)
    let usable = weights.flatMap { $0.contains { $0 > 0 && $0.isFinite } ? $0 : nil }
    var pairs = Pairs(capacity: numbers.count + 1)
    for index in numbers.indices where numbers[index].isFinite {
      let weight = usable?[index] ?? 1
      if weight > 0 && weight.isFinite { pairs.append(numbers[index], weight) }
    }
    if let zero { pairs.append(zero, 0) }
    pairs.sort()
    var (total, sum) = (0.0, 0.0)
    for index in 0..<pairs.count {
      total += Double(pairs.weight(index))
      sum += Double(pairs.weight(index)) * Double(pairs.number(index))
    }
    sums = IntervalSums(origin: total > 0 ? sum / total : 0)
    values.reserveCapacity(pairs.count)
    // Equal numbers lie side by side.
    var last = Float.nan
    for index in 0..<pairs.count {
      let number = pairs.number(index)
      if number != last {
        values.append(number)
        sums.appendPoint()
        last = number
      }
      sums.add(Double(number), weight: Double(pairs.weight(index)))
    }
    if let zero { sums.zero = values.firstIndex(of: zero) }
  }

  /// Bins of about half `bins` equal widths and half equal counts, none empty, zero in a bin of its own: their first
  /// points, and at last `count`.
  func binStarts(bins: Int) -> [Int] {
    let half = max(bins / 2 - 2, 1)
    let (low, high) = (Double(values[0]), Double(values[count - 1]))
    var starts = (0..<half).map { $0 * count / half }
    for bin in 1..<half { starts.append(firstIndex(above: low + (high - low) * Double(bin) / Double(half))) }
    if let zero = sums.zero { starts += [zero, zero + 1] }
    starts.append(count)
    starts.sort()
    return starts.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  /// The centers of the intervals between `cuts`.
  func centers(_ cuts: [Int]) -> [Float] {
    zip(cuts, cuts.dropFirst()).map { start, end in
      if let zero = sums.zero, (start..<end).contains(zero) { return 0 }
      // Rounding cannot take a mean beyond what it is the mean of, so that centers stay distinct.
      return min(max(Float(sums.center(start, end)), values[start]), values[end - 1])
    }
  }

  /// Moves `cuts` to the middles between centers until nothing changes or nothing is gained.
  func settled(_ cuts: [Int]) -> [Int] {
    var best = cuts
    var least = cost(best)
    for _ in 0..<100 {
      let middles = zip(best, best.dropFirst()).map { sums.center($0, $1) }
      var moved = [0]
      for (low, high) in zip(middles, middles.dropFirst()) {
        moved.append(firstIndex(above: (low + high) / 2))
      }
      moved.append(count)
      guard moved != best, zip(moved, moved.dropFirst()).allSatisfy({ $0 < $1 }) else { return best }
      let reached = cost(moved)
      guard reached < least else { return best }
      (best, least) = (moved, reached)
    }
    return best
  }

  private func cost(_ cuts: [Int]) -> Double {
    zip(cuts, cuts.dropFirst()).reduce(0) { $0 + sums.cost($1.0, $1.1) }
  }

  private func firstIndex(above limit: Double) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if Double(values[middle]) > limit { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

/// Numbers with weights, sorted by counting the digits of an integer that is ordered as the numbers are: linear
/// time, so that a layer of millions of weights takes tenths of a second.
private struct Pairs {
  private var keys: [UInt32] = []
  private var weights: [Float] = []

  init(capacity: Int) {
    keys.reserveCapacity(capacity)
    weights.reserveCapacity(capacity)
  }

  var count: Int { keys.count }

  mutating func append(_ number: Float, _ weight: Float) {
    // -0 becomes 0, or other numbers could lie between two that are equal.
    let bits = (number + 0).bitPattern
    keys.append(bits >> 31 == 1 ? ~bits : bits | 1 << 31)
    weights.append(weight)
  }

  func number(_ index: Int) -> Float {
    let key = keys[index]
    return Float(bitPattern: key >> 31 == 1 ? key & 0x7FFF_FFFF : ~key)
  }

  func weight(_ index: Int) -> Float { weights[index] }

  mutating func sort() {
    var otherKeys = keys
    var otherWeights = weights
    for shift in [0, 11, 22] as [UInt32] {
      var places = [Int](repeating: 0, count: 1 << 11)
      for key in keys { places[Int(key >> shift & 0x7FF)] += 1 }
      var start = 0
      for digit in places.indices { (places[digit], start) = (start, start + places[digit]) }
      otherKeys.withUnsafeMutableBufferPointer { sorted in
        otherWeights.withUnsafeMutableBufferPointer { sortedWeights in
          for index in keys.indices {
            let digit = Int(keys[index] >> shift & 0x7FF)
            let place = places[digit]
            places[digit] = place + 1
            sorted[place] = keys[index]
            sortedWeights[place] = weights[index]
          }
        }
      }
      swap(&keys, &otherKeys)
      swap(&weights, &otherWeights)
    }
  }
}
