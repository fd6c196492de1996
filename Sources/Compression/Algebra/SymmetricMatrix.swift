/// A symmetric matrix in float64, stored as the full square, row-major.
///
/// As the second moment G = (1/n) XᵀX of a layer's inputs it is all that the solvers of this module know of the
/// calibration data.
struct SymmetricMatrix: Sendable, Equatable {
  let size: Int
  var elements: [Double]

  /// - Parameter elements: `size · size` numbers; only symmetric ones make sense.
  init(size: Int, elements: [Double]) {
    precondition(elements.count == size * size)
    self.size = size
    self.elements = elements
  }

  subscript(row: Int, column: Int) -> Double { elements[row * size + column] }

  var diagonal: [Double] { (0..<size).map { elements[$0 * size + $0] } }

  /// The mean of the diagonal elements that are not zero: the scale of the inputs that are ever active. 1 if none.
  var meanActiveDiagonal: Double {
    let active = diagonal.filter { $0 != 0 }
    return active.isEmpty ? 1 : active.reduce(0, +) / Double(active.count)
  }

  /// The squared error of the layer's output for one row of inputs, tr(Δᵀ G Δ).
  /// - Parameter delta: the change of a weight matrix `[size, columns]`.
  func quadratic(_ delta: [Float], columns: Int) -> Double {
    precondition(delta.count == size * columns)
    let change = delta.map(Double.init)
    let moved = times(change, columns: columns)
    var sum = 0.0
    for index in change.indices { sum += change[index] * moved[index] }
    return sum
  }

  /// The product with a matrix `[size, columns]`.
  func times(_ matrix: [Double], columns: Int) -> [Double] {
    precondition(matrix.count == size * columns)
    var result = [Double](repeating: 0, count: matrix.count)
    if matrix.isEmpty { return result }
    elements.withUnsafeBufferPointer { elements in
      matrix.withUnsafeBufferPointer { matrix in
        result.withUnsafeMutableBufferPointer { result in
          // Not empty, so that there is a base address; counts are those of the matrices.
          RowUpdate.addProduct(
            elements.baseAddress!, rows: size, depth: size, aStride: size, matrix.baseAddress!,
            columns: columns, bStride: columns, to: result.baseAddress!, cStride: columns, factor: 1)
        }
      }
    }
    return result
  }

  /// The matrix of the inputs `rows` alone.
  func selecting(_ rows: [Int]) -> SymmetricMatrix {
    var chosen: [Double] = []
    chosen.reserveCapacity(rows.count * rows.count)
    for row in rows {
      for column in rows { chosen.append(elements[row * size + column]) }
    }
    return SymmetricMatrix(size: rows.count, elements: chosen)
  }
}
