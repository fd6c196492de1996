/// What the consumer of removed channels does to compensate: least squares over the kept inputs, with a constant.
///
/// Source: reconstruction of the next layer as in ThiNet (Luo et al., 2017) and channel pruning (He et al., 2017), in
/// closed form from moments. The constant takes what the removed inputs gave on average, so that only how they vary is
/// left to the weights: the moments are taken about the mean.
enum ConsumerRepair {
  struct Result: Sendable {
    /// `[kept.count, columns]`
    var weight: [Float]
    /// What the bias of each column gains.
    var biasShift: [Float]
  }

  /// - Parameters:
  ///   - gram: E[x xᵀ] of all inputs; `mean`: E[x].
  ///   - weight: `[gram.size, columns]`.
  ///   - kept: rows that stay, in the order that they shall have.
  ///   - damping: as in `LeastSquares.refit`.
  /// - Throws: as `LeastSquares.refit`.
  static func repair(
    _ gram: SymmetricMatrix, mean: [Double], _ weight: [Float], columns: Int, kept: [Int],
    damping: Double = 1e-3
  ) throws(CompressionError) -> Result {
    let size = gram.size
    precondition(mean.count == size && weight.count == size * columns)
    var elements = gram.elements
    for row in 0..<size {
      for column in 0..<size { elements[row * size + column] -= mean[row] * mean[column] }
      // Rounding may leave less than nothing of an input that never varies.
      elements[row * size + row] = max(elements[row * size + row], 0)
    }
    let refitted = try LeastSquares.refit(
      SymmetricMatrix(size: size, elements: elements), weight, columns: columns, kept: kept, damping: damping)
    var shift = [Double](repeating: 0, count: columns)
    for row in 0..<size where mean[row] != 0 {
      for column in 0..<columns { shift[column] += mean[row] * Double(weight[row * columns + column]) }
    }
    for (place, row) in kept.enumerated() where mean[row] != 0 {
      for column in 0..<columns { shift[column] -= mean[row] * Double(refitted[place * columns + column]) }
    }
    return Result(weight: refitted, biasShift: shift.map(Float.init))
  }
}
