/// Triangular factors of positive definite matrices, in float64 and in blocks of 64.
///
/// Golub and Van Loan, "Matrix Computations" (2013), section 4.2. Inputs that are never active (a diagonal element of
/// zero) count as inputs of mean strength that nothing is correlated with.
enum Cholesky {
  private static let block = 64
  /// How often the damping is raised tenfold before a matrix counts as indefinite.
  private static let retries = 5

  /// L with M + λI = L Lᵀ, row-major with zeros above the diagonal.
  /// - Parameter damping: λ as a fraction of the mean of the diagonal elements that are not zero. It is raised
  ///   tenfold, to 1 at most, as long as a pivot is not positive.
  /// - Throws: `CompressionError.dataset` for elements that are not finite, and for matrices that stay indefinite.
  static func lower(_ m: SymmetricMatrix, damping: Double) throws(CompressionError) -> [Double] {
    try factor(m, damping, isReversed: false)
  }

  /// U with (M + λI)⁻¹ = Uᵀ U, upper triangular, row-major with zeros below the diagonal.
  ///
  /// The factor is unique, so there is no need for the inverse: with the order of the inputs reversed,
  /// M + λI = R Rᵀ for an upper R, and U = R⁻¹.
  /// - Throws: as `lower`.
  static func inverseUpper(_ m: SymmetricMatrix, damping: Double) throws(CompressionError) -> [Double] {
    var factor = try factor(m, damping, isReversed: true)
    factor.withUnsafeMutableBufferPointer { factor in
      if let base = factor.baseAddress, m.size > 0 { invert(base, m.size) }
    }
    factor.reverse()
    return factor
  }

  /// Solves L Lᵀ X = B in place for every column of B.
  /// - Parameter lower: `[size, size]` as from `lower(_:damping:)`; `matrix`: B, `[size, columns]`.
  static func solve(_ lower: [Double], size: Int, _ matrix: inout [Double], columns: Int) {
    precondition(lower.count == size * size && matrix.count == size * columns)
    if matrix.isEmpty { return }
    var upper = [Double](repeating: 0, count: lower.count)
    for row in 0..<size {
      for column in 0...row { upper[column * size + row] = lower[row * size + column] }
    }
    matrix.withUnsafeMutableBufferPointer { matrix in
      // Not empty, hence with a base address. Every row of the matrix is written after the rows it is made from.
      let x = matrix.baseAddress!
      lower.withUnsafeBufferPointer { lower in
        let l = lower.baseAddress!
        for start in stride(from: 0, to: size, by: block) {
          let end = min(start + block, size)
          RowUpdate.addProduct(
            l + start * size, rows: end - start, depth: start, aStride: size, x, columns: columns,
            bStride: columns, to: x + start * columns, cStride: columns, factor: -1)
          for row in start..<end {
            RowUpdate.add(
              l + (row * size + start), count: row - start, x + start * columns, stride: columns,
              to: x + row * columns, columns: columns, factor: -1)
            scale(x + row * columns, columns, by: 1 / l[row * size + row])
          }
        }
      }
      upper.withUnsafeBufferPointer { upper in
        let u = upper.baseAddress!
        for start in stride(from: 0, to: size, by: block).reversed() {
          let end = min(start + block, size)
          RowUpdate.addProduct(
            u + (start * size + end), rows: end - start, depth: size - end, aStride: size, x + end * columns,
            columns: columns, bStride: columns, to: x + start * columns, cStride: columns, factor: -1)
          for row in (start..<end).reversed() {
            RowUpdate.add(
              u + (row * size + row + 1), count: end - row - 1, x + (row + 1) * columns, stride: columns,
              to: x + row * columns, columns: columns, factor: -1)
            scale(x + row * columns, columns, by: 1 / u[row * size + row])
          }
        }
      }
    }
  }

  private static func factor(
    _ m: SymmetricMatrix, _ damping: Double, isReversed: Bool
  ) throws(CompressionError) -> [Double] {
    guard m.elements.allSatisfy(\.isFinite), damping.isFinite, damping >= 0 else {
      throw .dataset("the moments of a layer's inputs on the calibration data are not finite")
    }
    let scale = m.meanActiveDiagonal
    var damping = damping
    for _ in 0...retries {
      // Reversing both axes of a row-major matrix reverses its elements.
      var matrix = isReversed ? m.elements.reversed() : m.elements
      for index in 0..<m.size {
        let diagonal = index * m.size + index
        if matrix[diagonal] == 0 { matrix[diagonal] = scale }
        matrix[diagonal] += damping * scale
      }
      let isDone = matrix.withUnsafeMutableBufferPointer { matrix -> Bool in
        guard let base = matrix.baseAddress, m.size > 0 else { return true }
        return decompose(base, m.size, smallestPivot: scale * Double(m.size) * .ulpOfOne)
      }
      if isDone { return matrix }
      // More than the moments themselves would no longer describe the inputs.
      if damping >= 1 { break }
      damping = min(max(damping * 10, 1e-8), 1)
    }
    throw .dataset("the second moments of a layer's inputs are not positive definite")
  }

  /// Replaces the `size · size` elements of `a` by its lower factor; false when a pivot is not positive.
  private static func decompose(_ a: UnsafeMutablePointer<Double>, _ size: Int, smallestPivot: Double) -> Bool
  {
    var panel = [Double](repeating: 0, count: block * size)
    return panel.withUnsafeMutableBufferPointer { panel -> Bool in
      let p = panel.baseAddress!
      for start in stride(from: 0, to: size, by: block) {
        let end = min(start + block, size)
        for row in start..<size {
          // Columns start..<end of L: those of the diagonal block first, as the rows below divide by them.
          for column in start..<min(row + 1, end) {
            var sum = a[row * size + column]
            for k in start..<column { sum -= a[row * size + k] * a[column * size + k] }
            if row == column {
              guard sum > smallestPivot, sum.isFinite else { return false }
              a[row * size + row] = sum.squareRoot()
            } else {
              a[row * size + column] = sum / a[column * size + column]
            }
          }
          for column in row + 1..<max(size, row + 1) where row < end { a[row * size + column] = 0 }
        }
        // The rest of the matrix loses what these columns explain: A -= L Lᵀ below the diagonal.
        for row in end..<max(size, end) {
          for k in start..<end { p[(k - start) * size + row] = a[row * size + k] }
        }
        for first in stride(from: end, to: size, by: 256) {
          for row in first..<size {
            RowUpdate.add(
              a + (row * size + start), count: end - start, p + first, stride: size,
              to: a + (row * size + first),
              columns: min(256, row + 1 - first), factor: -1)
          }
        }
      }
      return true
    }
  }

  /// Replaces a lower triangular matrix by its inverse, row by row: X_i = (e_i − Σ_{k<i} L_ik X_k) / L_ii.
  private static func invert(_ l: UnsafeMutablePointer<Double>, _ size: Int) {
    var factors = [Double](repeating: 0, count: block * size)
    factors.withUnsafeMutableBufferPointer { factors in
      let f = factors.baseAddress!
      for start in stride(from: 0, to: size, by: block) {
        let end = min(start + block, size)
        // Rows are overwritten by the inverse, so their factors are kept aside.
        for row in start..<end {
          for column in 0...row {
            f[(row - start) * size + column] = l[row * size + column]
            l[row * size + column] = 0
          }
        }
        RowUpdate.addProduct(
          f, rows: end - start, depth: start, aStride: size, l, columns: start, bStride: size,
          to: l + start * size, cStride: size, factor: -1)
        for row in start..<end {
          let own = f + (row - start) * size
          RowUpdate.add(
            own + start, count: row - start, l + start * size, stride: size, to: l + row * size, columns: row,
            factor: -1)
          l[row * size + row] = 1
          scale(l + row * size, row + 1, by: 1 / own[row])
        }
      }
    }
  }

  private static func scale(_ row: UnsafeMutablePointer<Double>, _ columns: Int, by factor: Double) {
    for j in 0..<columns { row[j] *= factor }
  }
}
