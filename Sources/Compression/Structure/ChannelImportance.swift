/// What channels count for, and which of them stay.
enum ChannelImportance {
  /// Kept counts are multiples of this, so that vectors stay full: 8 floats for AVX2.
  static let multiple = 8

  /// Activation energy: E[h_c²] · ‖W_next[c, :]‖² summed over the rows that each channel takes in a consumer's matrix.
  ///
  /// - Parameters:
  ///   - meanSquare: of each row's input; `weight`: `[rows, columns]`.
  ///   - rows: of each channel: its taps for a convolution, its features for a head.
  static func energies(meanSquare: [Double], weight: [Float], columns: Int, rows: [[Int]]) -> [Double] {
    precondition(weight.count == meanSquare.count * columns)
    return rows.map { rows in
      rows.reduce(0) { sum, row in
        sum + meanSquare[row] * squares(weight[row * columns..<(row + 1) * columns])
      }
    }
  }

  /// ‖w_c‖² of the rows that each channel takes in a matrix `[rows, columns]`: summed over all weights of a group, the
  /// group norm of Fang et al., "DepGraph" (2023).
  static func norms(_ weight: [Float], columns: Int, rows: [[Int]]) -> [Double] {
    rows.map { rows in
      rows.reduce(0) { sum, row in sum + squares(weight[row * columns..<(row + 1) * columns]) }
    }
  }

  private static func squares(_ numbers: ArraySlice<Float>) -> Double {
    numbers.reduce(0) { $0 + Double($1) * Double($1) }
  }

  /// How many of `count` channels stay at `sparsity` (0…1): the nearest multiple of `multiple`, at least one; all of
  /// fewer.
  static func keptCount(of count: Int, sparsity: Double, multiple: Int = multiple) -> Int {
    let wanted = Double(count) * (1 - min(max(sparsity, 0), 1))
    let rounded = Int((wanted / Double(multiple)).rounded()) * multiple
    return min(count, max(multiple, rounded))
  }

  /// The `count` channels of the largest scores, ascending; of equal ones the first. A NaN counts as the least.
  static func largest(_ scores: [Double], count: Int) -> [Int] {
    let scores = scores.map { $0.isNaN ? -Double.infinity : $0 }
    let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    return order.prefix(max(count, 0)).sorted()
  }

  /// Kept counts when all groups are ranked together: scores are compared by their share of the group's mean, the
  /// lowest go until the share `sparsity` of all channels has, and each count is rounded as by `keptCount`.
  static func keptCounts(_ groups: [[Double]], sparsity: Double, multiple: Int = multiple) -> [Int] {
    var all: [(score: Double, group: Int)] = []
    for (group, scores) in groups.enumerated() {
      let finite = scores.filter(\.isFinite)
      let mean = finite.reduce(0, +) / Double(max(finite.count, 1))
      for score in scores { all.append((score.isFinite && mean > 0 ? score / mean : 0, group)) }
    }
    let order = all.indices.sorted { (all[$0].score, $0) < (all[$1].score, $1) }
    let share = min(max(sparsity, 0), 1)
    var removed = [Int](repeating: 0, count: groups.count)
    for index in order.prefix(Int((share * Double(all.count)).rounded())) { removed[all[index].group] += 1 }
    return groups.indices.map { group in
      let count = groups[group].count
      let share = count == 0 ? 0 : Double(removed[group]) / Double(count)
      return keptCount(of: count, sparsity: share, multiple: multiple)
    }
  }
}
