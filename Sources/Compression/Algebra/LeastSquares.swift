/// What is left of a weight after some of it is removed, chosen so that the layer's output changes least.
///
/// Solves min ‖X W − X W'‖² + λ ‖W'_S − W_S‖² over the kept elements S from the moments G of X alone:
/// W'_S = W_S + (G_SS + λI)⁻¹ G_SR W_R, where R is what was removed. λ pulls towards the weight as it was, so that
/// nothing changes where nothing is removed.
enum LeastSquares {
  /// The weight for the inputs `kept` alone, `[kept.count, columns]`.
  /// - Parameters:
  ///   - weight: `[gram.size, columns]`.
  ///   - kept: inputs, each once, in the order of the result's rows.
  ///   - damping: λ as a fraction of the mean second moment of the kept inputs.
  /// - Throws: as `Cholesky.lower`.
  static func refit(
    _ gram: SymmetricMatrix, _ weight: [Float], columns: Int, kept: [Int], damping: Double
  ) throws(CompressionError) -> [Float] {
    precondition(weight.count == gram.size * columns)
    let shift = try shift(gram, weight, stride: columns, columns: Array(0..<columns), kept, damping)
    var result: [Float] = []
    result.reserveCapacity(shift.count)
    for (place, row) in kept.enumerated() {
      for column in 0..<columns {
        result.append(Float(Double(weight[row * columns + column]) + shift[place * columns + column]))
      }
    }
    return result
  }

  /// The weight with the elements of `mask` zero and the others refitted, each column for its own mask.
  ///
  /// Exact where that takes at most `work` multiplications, with columns of equal masks together; above, by as many
  /// steps of conjugate gradients as `work` allows.
  /// - Parameters:
  ///   - weight: `[gram.size, columns]`; `mask`: the same, true for elements that are removed.
  ///   - start: a weight to start the conjugate gradients from. Nil: `weight` itself.
  /// - Throws: as `Cholesky.lower`.
  static func refit(
    _ gram: SymmetricMatrix, _ weight: [Float], columns: Int, mask: [Bool], start: [Float]? = nil,
    damping: Double, work: Double = 4e10
  ) throws(CompressionError) -> [Float] {
    precondition(weight.count == gram.size * columns && mask.count == weight.count)
    let sets = columnsOfEqualMasks(mask, columns: columns)
    let needed = sets.reduce(0.0) { sum, set in
      let kept = Double(set.kept.count)
      return sum + kept * kept * (kept / 3 + Double(2 * set.columns.count))
    }
    if needed > work {
      let step = Double(gram.size) * Double(weight.count)
      return try MaskedConjugateGradient.refit(
        gram, weight, columns: columns, mask: mask, start: start ?? weight, damping: damping,
        steps: Int(min(max(work / step, 1), 32)))
    }
    var result = [Float](repeating: 0, count: weight.count)
    for set in sets {
      let shift = try shift(gram, weight, stride: columns, columns: set.columns, set.kept, damping)
      for (place, row) in set.kept.enumerated() {
        for (number, column) in set.columns.enumerated() {
          let element = row * columns + column
          result[element] = Float(Double(weight[element]) + shift[place * set.columns.count + number])
        }
      }
    }
    return result
  }

  /// (G_SS + λI)⁻¹ G_SR W_R for some columns of a weight whose rows are `stride` long.
  private static func shift(
    _ gram: SymmetricMatrix, _ weight: [Float], stride: Int, columns: [Int], _ kept: [Int], _ damping: Double
  ) throws(CompressionError) -> [Double] {
    var isKept = [Bool](repeating: false, count: gram.size)
    for row in kept { isKept[row] = true }
    var shift = [Double](repeating: 0, count: kept.count * columns.count)
    if shift.isEmpty { return shift }
    let removed = (0..<gram.size).filter { !isKept[$0] }
    if removed.isEmpty { return shift }
    var lost: [Double] = []
    lost.reserveCapacity(removed.count * columns.count)
    for row in removed {
      for column in columns { lost.append(Double(weight[row * stride + column])) }
    }
    var cross: [Double] = []
    cross.reserveCapacity(kept.count * removed.count)
    for row in kept {
      for other in removed { cross.append(gram[row, other]) }
    }
    cross.withUnsafeBufferPointer { cross in
      lost.withUnsafeBufferPointer { lost in
        shift.withUnsafeMutableBufferPointer { shift in
          // None of the three is empty, as there are kept rows, removed rows and columns.
          RowUpdate.addProduct(
            cross.baseAddress!, rows: kept.count, depth: removed.count, aStride: removed.count,
            lost.baseAddress!, columns: columns.count, bStride: columns.count, to: shift.baseAddress!,
            cStride: columns.count, factor: 1)
        }
      }
    }
    let lower = try Cholesky.lower(gram.selecting(kept), damping: damping)
    Cholesky.solve(lower, size: kept.count, &shift, columns: columns.count)
    return shift
  }

  /// The columns by the set of rows that they keep, in the order of their first columns.
  private static func columnsOfEqualMasks(
    _ mask: [Bool], columns: Int
  ) -> [(kept: [Int], columns: [Int])] {
    let depth = columns == 0 ? 0 : mask.count / columns
    var places: [[Int]: Int] = [:]
    var sets: [(kept: [Int], columns: [Int])] = []
    for column in 0..<columns {
      let kept = (0..<depth).filter { !mask[$0 * columns + column] }
      if let place = places[kept] {
        sets[place].columns.append(column)
      } else {
        places[kept] = sets.count
        sets.append((kept, [column]))
      }
    }
    return sets
  }
}
