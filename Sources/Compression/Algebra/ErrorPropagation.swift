/// The walk that GPTQ and SparseGPT share: rows are changed one after the other, and what each loses is taken up by
/// the rows that follow.
///
/// Frantar and Alistarh, "SparseGPT" (2023), algorithm 1: with (H + λI)⁻¹ = UᵀU, row i that moves by
/// e·U_ii asks row j > i to move by −e·U_ij.
enum ErrorPropagation {
  /// - Parameters:
  ///   - weight: `[depth, columns]`, changed in place.
  ///   - upper: U, `[depth, depth]`.
  ///   - block: rows after which errors are passed on to all rows below. What `change` sees does not depend on it.
  ///   - select: called with a range of rows, before the first of them is changed, and their present values.
  ///   - change: called with each row in order and its present values, which it replaces.
  static func walk(
    _ weight: inout [Double], depth: Int, columns: Int, _ upper: [Double], block: Int,
    selectionRows: Int? = nil, select: (Range<Int>, UnsafeBufferPointer<Double>) -> Void = { _, _ in },
    change: (Int, UnsafeMutableBufferPointer<Double>) -> Void
  ) {
    precondition(weight.count == depth * columns && upper.count == depth * depth && block > 0)
    if weight.isEmpty { return }
    var errors = [Double](repeating: 0, count: min(block, depth) * columns)
    var factors = [Double](repeating: 0, count: min(block, depth) * depth)
    weight.withUnsafeMutableBufferPointer { weight in
      errors.withUnsafeMutableBufferPointer { errors in
        factors.withUnsafeMutableBufferPointer { factors in
          upper.withUnsafeBufferPointer { upper in
            // None is empty, as the weight is not.
            let (w, e) = (weight.baseAddress!, errors.baseAddress!)
            for start in stride(from: 0, to: depth, by: block) {
              let end = min(start + block, depth)
              for row in start..<end {
                if (row - start) % (selectionRows ?? block) == 0 {
                  let rows = row..<min(row + (selectionRows ?? block), end)
                  select(rows, UnsafeBufferPointer(start: w + row * columns, count: rows.count * columns))
                }
                let (current, error) = (w + row * columns, e + (row - start) * columns)
                for column in 0..<columns { error[column] = current[column] }
                change(row, UnsafeMutableBufferPointer(start: current, count: columns))
                let pivot = upper[row * depth + row]
                for column in 0..<columns { error[column] = (error[column] - current[column]) / pivot }
                for next in row + 1..<max(end, row + 1) {
                  let factor = upper[row * depth + next]
                  if factor == 0 { continue }
                  let other = w + next * columns
                  for column in 0..<columns { other[column] -= factor * error[column] }
                }
              }
              if end == depth { break }
              // U's rows of this block, transposed: one row for each row of the weight below.
              let (rows, below) = (end - start, depth - end)
              let f = factors.baseAddress!
              for row in 0..<rows {
                for next in 0..<below { f[next * rows + row] = upper[(start + row) * depth + end + next] }
              }
              RowUpdate.addProduct(
                f, rows: below, depth: rows, aStride: rows, e, columns: columns, bStride: columns,
                to: w + end * columns, cStride: columns, factor: -1)
            }
          }
        }
      }
    }
  }
}
