/// Sums of multiples of rows: the one inner loop of the dense solvers, written so that it runs along memory and
/// vectorizes without reassociating a sum. Results do not depend on the instruction set.
enum RowUpdate {
  /// C += factor · A · B for row-major matrices A `[rows, depth]`, B `[depth, columns]`, C `[rows, columns]`.
  ///
  /// The pointers must reach that many elements; C may lie in the same memory as A or B as long as no element is
  /// both read and written.
  static func addProduct(
    _ a: UnsafePointer<Double>, rows: Int, depth: Int, aStride: Int, _ b: UnsafePointer<Double>, columns: Int,
    bStride: Int, to c: UnsafeMutablePointer<Double>, cStride: Int, factor: Double
  ) {
    // A panel of B, 64 rows of 256 columns, stays in the second-level cache for all rows of C.
    for column in stride(from: 0, to: columns, by: 256) {
      let width = min(256, columns - column)
      for first in stride(from: 0, to: depth, by: 64) {
        let count = min(64, depth - first)
        for row in 0..<rows {
          add(
            a + (row * aStride + first), count: count, b + (first * bStride + column), stride: bStride,
            to: c + (row * cStride + column), columns: width, factor: factor)
        }
      }
    }
  }

  /// row += factor · Σ factors[p] · panel[p], where the rows of `panel` lie `stride` apart.
  static func add(
    _ factors: UnsafePointer<Double>, count: Int, _ panel: UnsafePointer<Double>, stride: Int,
    to row: UnsafeMutablePointer<Double>, columns: Int, factor: Double
  ) {
    var p = 0
    while p + 4 <= count {
      let (f0, f1) = (factor * factors[p], factor * factors[p + 1])
      let (f2, f3) = (factor * factors[p + 2], factor * factors[p + 3])
      let r0 = panel + p * stride
      let (r1, r2, r3) = (r0 + stride, r0 + 2 * stride, r0 + 3 * stride)
      for j in 0..<columns { row[j] += (f0 * r0[j] + f1 * r1[j]) + (f2 * r2[j] + f3 * r3[j]) }
      p += 4
    }
    while p < count {
      let (f, r) = (factor * factors[p], panel + p * stride)
      for j in 0..<columns { row[j] += f * r[j] }
      p += 1
    }
  }
}
