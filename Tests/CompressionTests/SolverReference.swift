@testable import Compression

/// Plain forms of what the solvers do, for comparison.
enum SolverReference {
  /// (1/rows) XᵀX of inputs that are correlated with their neighbours. Inputs of `dead` are zero.
  static func gram(size: Int, rows: Int, seed: UInt64, dead: Set<Int> = []) -> SymmetricMatrix {
    let noise = TestModels.numbers(rows * (size + 1), seed: seed).map(Double.init)
    var elements = [Double](repeating: 0, count: size * size)
    for row in 0..<rows {
      let part = noise[row * (size + 1)..<(row + 1) * (size + 1)].map { $0 }
      let x = (0..<size).map {
        dead.contains($0) ? 0 : (part[$0] + 0.7 * part[$0 + 1]) * (1 + Double($0 % 5))
      }
      for i in 0..<size {
        for j in 0..<size { elements[i * size + j] += x[i] * x[j] / Double(rows) }
      }
    }
    return SymmetricMatrix(size: size, elements: elements)
  }

  /// A · B, `[rows, inner]` times `[inner, columns]`.
  static func product(_ a: [Double], _ b: [Double], rows: Int, inner: Int, columns: Int) -> [Double] {
    var result = [Double](repeating: 0, count: rows * columns)
    for i in 0..<rows {
      for k in 0..<inner {
        for j in 0..<columns { result[i * columns + j] += a[i * inner + k] * b[k * columns + j] }
      }
    }
    return result
  }

  /// By Gauss-Jordan elimination, for positive definite matrices.
  static func inverse(_ matrix: [Double], size: Int) -> [Double] {
    var a = matrix
    var inverse = [Double](repeating: 0, count: size * size)
    for i in 0..<size { inverse[i * size + i] = 1 }
    for i in 0..<size {
      let pivot = a[i * size + i]
      for j in 0..<size {
        a[i * size + j] /= pivot
        inverse[i * size + j] /= pivot
      }
      for k in 0..<size where k != i {
        let factor = a[k * size + i]
        for j in 0..<size {
          a[k * size + j] -= factor * a[i * size + j]
          inverse[k * size + j] -= factor * inverse[i * size + j]
        }
      }
    }
    return inverse
  }

  /// G with λI as the solvers add it.
  static func damped(_ gram: SymmetricMatrix, _ damping: Double) -> [Double] {
    var elements = gram.elements
    for i in 0..<gram.size {
      if elements[i * gram.size + i] == 0 { elements[i * gram.size + i] = gram.meanActiveDiagonal }
      elements[i * gram.size + i] += damping * gram.meanActiveDiagonal
    }
    return elements
  }

  /// Optimal brain surgery row by row in the given order: each row is replaced by `change`, and those that follow
  /// move by −(error / H⁻¹_00) H⁻¹_0 with the inverse of the rows that are left.
  static func surgery(
    _ weight: [Double], columns: Int, _ moments: [Double], order: [Int],
    change: (_ row: Int, _ column: Int, _ value: Double) -> Double
  ) -> [Double] {
    let size = order.count
    var weight = weight
    for step in 0..<size {
      let left = Array(order[step...])
      let part = left.flatMap { row in left.map { moments[row * size + $0] } }
      let inverse = inverse(part, size: left.count)
      for column in 0..<columns {
        let element = left[0] * columns + column
        let changed = change(left[0], column, weight[element])
        let error = (weight[element] - changed) / inverse[0]
        for (place, row) in left.enumerated() { weight[row * columns + column] -= error * inverse[place] }
        weight[element] = changed
      }
    }
    return weight
  }
}
