import Testing

@testable import Compression

@Suite struct AlgebraTests {
  @Test(arguments: [0, 1, 2, 63, 64, 65, 127, 128, 129, 300]) func theLowerFactorGivesTheMatrixBack(size: Int)
    throws
  {
    let gram = SolverReference.gram(size: size, rows: 2 * size + 3, seed: 1)
    let lower = try Cholesky.lower(gram, damping: 0.01)
    let expected = SolverReference.damped(gram, 0.01)
    for row in 0..<size {
      for column in 0..<size {
        let sum = (0..<size).reduce(0.0) { $0 + lower[row * size + $1] * lower[column * size + $1] }
        #expect(abs(sum - expected[row * size + column]) < 1e-10)
        if column > row { #expect(lower[row * size + column] == 0) }
      }
    }
  }

  @Test(arguments: [0, 1, 2, 63, 64, 65, 127, 128, 129, 200]) func theUpperFactorInvertsTheMatrix(size: Int)
    throws
  {
    let gram = SolverReference.gram(size: size, rows: 2 * size + 3, seed: 2)
    let upper = try Cholesky.inverseUpper(gram, damping: 0.01)
    let transposed = (0..<size * size).map { upper[$0 % size * size + $0 / size] }
    let inverse = SolverReference.product(transposed, upper, rows: size, inner: size, columns: size)
    let identity = SolverReference.product(
      SolverReference.damped(gram, 0.01), inverse, rows: size, inner: size, columns: size)
    for index in identity.indices {
      let (row, column) = (index / size, index % size)
      #expect(abs(identity[index] - (row == column ? 1 : 0)) < 1e-8)
      if column < row { #expect(upper[index] == 0) }
    }
  }

  @Test func factorsOfAMatrixByHand() throws {
    let matrix = SymmetricMatrix(size: 2, elements: [4, 2, 2, 5])
    #expect(try Cholesky.lower(matrix, damping: 0) == [2, 0, 1, 2])
    // The inverse is [5, −2; −2, 4] / 16.
    let upper = try Cholesky.inverseUpper(matrix, damping: 0)
    for (value, square) in zip([upper[0], upper[3]], [5.0 / 16, 0.2]) {
      #expect(abs(value * value - square) < 1e-15)
    }
    #expect(abs(upper[0] * upper[1] + 2.0 / 16) < 1e-15)
  }

  @Test(arguments: [1, 64, 65, 130], [0, 1, 3, 300]) func solvesForEveryColumn(size: Int, columns: Int) throws
  {
    let gram = SolverReference.gram(size: size, rows: 2 * size, seed: 3)
    let solution = TestModels.numbers(size * columns, seed: 4).map(Double.init)
    var right = SolverReference.product(
      SolverReference.damped(gram, 0.1), solution, rows: size, inner: size, columns: columns)
    Cholesky.solve(try Cholesky.lower(gram, damping: 0.1), size: size, &right, columns: columns)
    #expect(zip(right, solution).allSatisfy { abs($0 - $1) < 1e-9 })
  }

  /// Two rows of data for eight inputs, and no data at all: the damping makes them definite.
  @Test(arguments: [0, 1, 2]) func singularMatricesAreDamped(rows: Int) throws {
    let gram = SolverReference.gram(size: 8, rows: max(rows, 1), seed: 5, dead: rows == 0 ? Set(0..<8) : [])
    for damping in [0, 0.01] {
      #expect(try Cholesky.lower(gram, damping: damping).allSatisfy(\.isFinite))
      #expect(try Cholesky.inverseUpper(gram, damping: damping).allSatisfy(\.isFinite))
    }
  }

  @Test(
    arguments: [
      [.nan, 0, 0, 1], [1, .infinity, .infinity, 1], [-1, 0, 0, 1], [1, 3, 3, 1],
    ] as [[Double]]) func whatIsNoMomentMatrixIsRefused(elements: [Double])
  {
    let matrix = SymmetricMatrix(size: 2, elements: elements)
    #expect(throws: CompressionError.self) { try Cholesky.lower(matrix, damping: 0.001) }
    #expect(throws: CompressionError.self) { try Cholesky.inverseUpper(matrix, damping: 0.001) }
  }

  @Test func theQuadraticFormIsTheErrorOfTheOutput() {
    let gram = SolverReference.gram(size: 70, rows: 50, seed: 6)
    let delta = TestModels.numbers(70 * 5, seed: 7)
    let moved = SolverReference.product(
      gram.elements, delta.map(Double.init), rows: 70, inner: 70, columns: 5)
    let expected = zip(delta, moved).reduce(0.0) { $0 + Double($1.0) * $1.1 }
    #expect(abs(gram.quadratic(delta, columns: 5) / expected - 1) < 1e-12)
    #expect(SymmetricMatrix(size: 0, elements: []).quadratic([], columns: 3) == 0)
    #expect(gram.selecting([3, 1]).elements == [gram[3, 3], gram[3, 1], gram[1, 3], gram[1, 1]])
  }

  @Test(arguments: [0, 1, 3, 255, 256, 257], [0, 1, 63, 64, 65, 200]) func momentsAreThoseOfTheDefinition(
    size: Int, rows: Int
  ) {
    let inputs = TestModels.numbers(size * rows, seed: 14)
    var sum = MomentSum(size: size)
    // In two parts, as batches come.
    let cut = rows / 3 * size
    inputs[..<cut].withUnsafeBufferPointer { sum.add($0) }
    inputs[cut...].withUnsafeBufferPointer { sum.add($0) }
    let moments = sum.moments
    #expect(sum.rows == (size == 0 ? 0 : rows))
    for i in 0..<size {
      for j in [0, i / 2, i, size - 1] {
        let expected = (0..<rows).reduce(0.0) {
          $0 + Double(inputs[$1 * size + i]) * Double(inputs[$1 * size + j])
        }
        #expect(abs(moments[i, j] - expected / Double(max(rows, 1))) < 1e-12)
      }
    }
  }

  /// Where an input repeats another, what is left takes over the whole weight of what is removed.
  @Test func aTwinTakesOver() throws {
    let gram = SymmetricMatrix(size: 3, elements: [1, 1, 0, 1, 1, 0, 0, 0, 2])
    let fit = try LeastSquares.refit(gram, [1, 10, 2, 20, 3, 30], columns: 2, kept: [2, 0], damping: 1e-9)
    for (value, expected) in zip(fit, [3, 30, 3, 30] as [Float]) { #expect(abs(value - expected) < 1e-5) }
    #expect(try LeastSquares.refit(gram, [1, 2, 3], columns: 1, kept: [], damping: 0.01) == [])
    #expect(
      try LeastSquares.refit(gram, [1, 2, 3], columns: 1, kept: [0, 1, 2], damping: 0.01) == [1, 2, 3])
  }

  /// At the least error its gradient (G + λI)(W' − W) is zero on what is kept, whichever way it was found.
  @Test(arguments: [1, 2, 65], [0, 0.5, 0.9, 1]) func refittingLeavesNoGradient(
    columns: Int, sparsity: Double
  ) throws {
    let size = 40
    let gram = SolverReference.gram(size: size, rows: 100, seed: 8)
    let weight = TestModels.numbers(size * columns, seed: 9)
    let mask = TestModels.numbers(weight.count, seed: 10).map { Double($0) < 2 * sparsity - 1 }
    let exact = try LeastSquares.refit(gram, weight, columns: columns, mask: mask, damping: 0.01)
    let iterated = try MaskedConjugateGradient.refit(
      gram, weight, columns: columns, mask: mask, start: weight, damping: 0.01, steps: 40)
    for (fit, isExact) in [(exact, true), (iterated, false)] {
      let delta = zip(fit, weight).map { Double($0) - Double($1) }
      let moved = SolverReference.product(gram.elements, delta, rows: size, inner: size, columns: columns)
      for index in mask.indices where !mask[index] {
        // λ is a fraction of the mean moment of a column's kept inputs, or of all inputs.
        let kept = (0..<size).filter { !isExact || !mask[$0 * columns + index % columns] }
        let lambda = 0.01 * gram.selecting(kept).meanActiveDiagonal
        #expect(abs(moved[index] + lambda * delta[index]) < 1e-4)
      }
      #expect(mask.indices.allSatisfy { !mask[$0] || fit[$0] == 0 })
      if sparsity == 0 { #expect(fit == weight) }
    }
  }

  /// With little work allowed the error still falls, from the weights that the walk gave or from the original ones.
  @Test func aFewStepsImproveAStart() throws {
    let gram = SolverReference.gram(size: 60, rows: 90, seed: 11)
    let weight = TestModels.numbers(60 * 7, seed: 12)
    let mask = TestModels.numbers(weight.count, seed: 13).map { $0 < 0.2 }
    func error(_ weights: [Float]) -> Double {
      gram.quadratic(zip(weights, weight).map { $0 - $1 }, columns: 7)
    }
    let cut = weight.indices.map { mask[$0] ? 0 : weight[$0] }
    var errors = [error(cut)]
    for work in [0, 1e5, 1e12] {
      errors.append(
        error(try LeastSquares.refit(gram, weight, columns: 7, mask: mask, damping: 1e-4, work: work)))
    }
    #expect(errors[1] < 0.8 * errors[0] && errors[2] < errors[1] && errors[3] <= errors[2])
  }
}
