/// Which of several candidates no other one beats in everything.
enum ParetoSet {
  /// - Parameters:
  ///   - points: for each candidate what is to be small, such as loss, bytes and microseconds; all of equal length.
  ///   - kept: candidates that belong to the set whatever they are beaten by, such as the original.
  /// - Returns: indices in ascending order of the first value, then of the next ones. Of equal points the first one
  ///   stays; points with a value that is not a number are no candidates unless they are `kept`.
  static func indices(of points: [[Double]], keeping kept: Set<Int> = []) -> [Int] {
    let candidates = points.indices.filter { index in !points[index].contains(where: \.isNaN) }
    let best = candidates.filter { index in
      kept.contains(index)
        || !candidates.contains { other in
          other != index && dominates(points[other], points[index])
            || (other < index && points[other] == points[index])
        }
    }
    let others = kept.filter { points.indices.contains($0) && !best.contains($0) }.sorted()
    return best.sorted { left, right in
      points[left] == points[right] ? left < right : points[left].lexicographicallyPrecedes(points[right])
    } + others
  }

  /// True when `left` is nowhere larger and somewhere smaller.
  static func dominates(_ left: [Double], _ right: [Double]) -> Bool {
    var isSmaller = false
    for (a, b) in zip(left, right) {
      if a > b || a.isNaN || b.isNaN { return false }
      if a < b { isSmaller = true }
    }
    return isSmaller
  }
}
