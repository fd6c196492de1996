/// Least squares for many columns that each keep other elements, without a factorization for each of them.
///
/// Conjugate gradients with the diagonal as preconditioner (Hestenes and Stiefel, 1952), as Meng et al., "ALPS"
/// (2024), refit pruned layers. All columns advance together, so that a step is one product with G.
enum MaskedConjugateGradient {
  /// The weight with the elements of `mask` zero and the others near argmin ‖X W − X W'‖² + λ ‖W'_S − W_S‖².
  /// - Parameters:
  ///   - weight, start: `[gram.size, columns]`; elements of `start` under the mask count as zero.
  ///   - damping: λ as a fraction of the mean second moment of the inputs.
  ///   - steps: at most so many. Each lowers the error, so that stopping early costs little.
  /// - Throws: `CompressionError.dataset` when `gram` is not finite.
  static func refit(
    _ gram: SymmetricMatrix, _ weight: [Float], columns: Int, mask: [Bool], start: [Float], damping: Double,
    steps: Int
  ) throws(CompressionError) -> [Float] {
    precondition(
      weight.count == gram.size * columns && mask.count == weight.count && start.count == mask.count)
    guard gram.elements.allSatisfy(\.isFinite) else {
      throw .dataset("the moments of a layer's inputs on the calibration data are not finite")
    }
    var matrix = gram
    let mean = gram.meanActiveDiagonal
    for index in 0..<gram.size {
      let diagonal = index * gram.size + index
      if matrix.elements[diagonal] == 0 { matrix.elements[diagonal] = mean }
    }
    let lambda = damping * mean
    let diagonal = matrix.diagonal.map { $0 + lambda }
    var current = weight.indices.map { mask[$0] ? 0 : Double(start[$0]) }
    // The residual −(G + λI)Δ on the kept elements; λ does not see what was removed.
    let change = weight.indices.map { current[$0] - Double(weight[$0]) }
    var residual = matrix.times(change, columns: columns)
    for index in residual.indices {
      residual[index] = mask[index] ? 0 : -residual[index] - lambda * change[index]
    }
    var direction = residual.indices.map { residual[$0] / diagonal[$0 / columns] }
    var energy = columnSums(columns, residual, direction)
    let initial = energy
    for _ in 0..<steps {
      var product = matrix.times(direction, columns: columns)
      for index in product.indices {
        product[index] = mask[index] ? 0 : product[index] + lambda * direction[index]
      }
      let curvature = columnSums(columns, direction, product)
      // A column that is solved, or has nothing to solve, stands still.
      let step = energy.indices.map { column in
        energy[column] > 1e-20 * initial[column] && curvature[column] > 0
          ? energy[column] / curvature[column] : 0
      }
      if step.allSatisfy({ $0 == 0 }) { break }
      for index in current.indices {
        current[index] += step[index % columns] * direction[index]
        residual[index] -= step[index % columns] * product[index]
      }
      let scaled = residual.indices.map { residual[$0] / diagonal[$0 / columns] }
      let next = columnSums(columns, residual, scaled)
      for index in direction.indices {
        let column = index % columns
        let share = energy[column] > 0 ? next[column] / energy[column] : 0
        direction[index] = scaled[index] + share * direction[index]
      }
      energy = next
    }
    return current.map { Float($0) }
  }

  /// Σ over the rows of a·b, for each column.
  private static func columnSums(_ columns: Int, _ a: [Double], _ b: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: columns)
    for index in a.indices { sums[index % columns] += a[index] * b[index] }
    return sums
  }
}
