/// Products and transposes of dense row-major matrices in float64, for factorizations. Sums run in the same order on
/// every machine.
enum DenseProduct {
  /// `a [rows, inner] · b [inner, columns]`.
  static func multiply(_ a: [Double], _ b: [Double], rows: Int, inner: Int, columns: Int) -> [Double] {
    precondition(a.count == rows * inner && b.count == inner * columns)
    var product = [Double](repeating: 0, count: rows * columns)
    if a.isEmpty || b.isEmpty { return product }
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        product.withUnsafeMutableBufferPointer { product in
          // None of the three is empty, so that all have base addresses; counts are those of the matrices.
          RowUpdate.addProduct(
            a.baseAddress!, rows: rows, depth: inner, aStride: inner, b.baseAddress!, columns: columns,
            bStride: columns, to: product.baseAddress!, cStride: columns, factor: 1)
        }
      }
    }
    return product
  }

  /// `[rows, columns]` to `[columns, rows]`.
  static func transpose(_ matrix: [Double], rows: Int, columns: Int) -> [Double] {
    precondition(matrix.count == rows * columns)
    var result = [Double](repeating: 0, count: matrix.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = matrix[row * columns + column] }
    }
    return result
  }
}
