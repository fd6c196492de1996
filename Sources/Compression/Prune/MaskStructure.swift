/// The shapes in which weights are removed from a matrix `[depth, columns]`, whose columns are outputs.
enum MaskStructure: Sendable, Equatable {
  /// Single weights.
  case unstructured
  /// Of every `of` consecutive inputs of an output, at most `kept` stay: 2:4, 4:8. At the end of the depth, fewer
  /// than `of` inputs keep as many at most.
  case pattern(kept: Int, of: Int)
  /// Rectangles of `inputs` × `outputs` weights that go or stay together, smaller at the edges.
  case blocks(inputs: Int, outputs: Int)

  /// Rows that a structure binds together. A mask can be chosen for any whole number of them at a time.
  var rows: Int {
    switch self {
    case .unstructured: 1
    case .pattern(_, let of): max(of, 1)
    case .blocks(let inputs, _): max(inputs, 1)
    }
  }

  /// Which weights go: those of the lowest scores, and of equal ones the first. Zeroed weights are true.
  /// - Parameters:
  ///   - scores: `[depth, columns]`, not negative. Those of a block count as their sum.
  ///   - sparsity: the fraction of weights to remove, 0…1, to the nearest whole number of weights or blocks. A
  ///     pattern has its own.
  ///   - perOutput: ranks the weights of each column by themselves. Patterns always do, blocks never.
  func mask(
    _ scores: [Float], depth: Int, columns: Int, sparsity: Double, perOutput: Bool = false
  ) -> [Bool] {
    precondition(scores.count == depth * columns)
    switch self {
    case .unstructured:
      if !perOutput { return Self.lowest(Self.count(sparsity, of: scores.count), scores) }
      let count = Self.count(sparsity, of: depth)
      return columnwise(scores, depth, columns, group: max(depth, 1)) { _ in count }
    case .pattern(let kept, let of):
      return columnwise(scores, depth, columns, group: max(of, 1)) { max($0 - max(kept, 0), 0) }
    case .blocks(let inputs, let outputs):
      let (height, width) = (max(inputs, 1), max(outputs, 1))
      let (down, across) = ((depth + height - 1) / height, (columns + width - 1) / width)
      var sums = [Float](repeating: 0, count: down * across)
      for index in scores.indices {
        sums[index / columns / height * across + index % columns / width] += scores[index]
      }
      let chosen = Self.lowest(Self.count(sparsity, of: sums.count), sums)
      return scores.indices.map { chosen[$0 / columns / height * across + $0 % columns / width] }
    }
  }

  /// `sparsity` of `count`, to the nearest whole number.
  static func count(_ sparsity: Double, of count: Int) -> Int {
    min(max(Int((sparsity * Double(count)).rounded()), 0), count)
  }

  /// Marks the `count` lowest of `scores`.
  static func lowest(_ count: Int, _ scores: [Float]) -> [Bool] {
    if count == 0 { return [Bool](repeating: false, count: scores.count) }
    var smallest = SmallestScores(count: count) { visit in
      for score in scores { visit(key(score)) }
    }
    return scores.map { smallest.chooses(key($0)) }
  }

  /// A number that is ordered as `score` is. The bit patterns of floats that are not negative are; −0 is made 0.
  static func key(_ score: Float) -> UInt32 { (score + 0).bitPattern }

  /// Marks the lowest of every `group` consecutive rows of a column, as many as `count` says for a group's rows.
  private func columnwise(
    _ scores: [Float], _ depth: Int, _ columns: Int, group: Int, count: (Int) -> Int
  ) -> [Bool] {
    var mask = [Bool](repeating: false, count: scores.count)
    for start in stride(from: 0, to: depth, by: group) {
      let rows = start..<min(start + group, depth)
      let removed = count(rows.count)
      if removed == 0 { continue }
      for column in 0..<columns {
        let order = rows.sorted {
          let (first, second) = (
            Self.key(scores[$0 * columns + column]), Self.key(scores[$1 * columns + column])
          )
          return first != second ? first < second : $0 < $1
        }
        for row in order.prefix(removed) { mask[row * columns + column] = true }
      }
    }
    return mask
  }
}
