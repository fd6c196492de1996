/// Improves the codes of GPTQ one at a time: each moves to the code that is best while all others stand still.
///
/// Coordinate descent on tr(Δᵀ (G + λI) Δ) with Δ = Ŵ − W, as in Behdin et al., "QuantEase" (2023): with g = GΔ the
/// best number for an element is its present one minus g / G_kk, and on a grid the number nearest to that.
struct DescentRounding: WeightRounding {
  /// λ as a fraction of the mean second moment of the inputs, as in GPTQ.
  var damping = 0.01
  /// Passes over all elements at most. A column stops at its first pass without a change.
  var maximumSweeps = 5

  /// - Parameter gram: the second moments of the inputs. Nil: every element is rounded to the nearest code.
  /// - Throws: as `Cholesky.inverseUpper`.
  func codes(
    _ matrix: [Float], _ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ clip: Clip,
    gram: SymmetricMatrix?, mask: [Bool]?, minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale]) {
    var (codes, scales) = try GPTQRounding(damping: damping).codes(
      matrix, layout, grid, groups, clip, gram: gram, mask: mask, minimumScales: minimumScales)
    guard let gram, !matrix.isEmpty else { return (codes, scales) }
    let target = ScaledGrid(layout, grid, groups, scales)
    var moments = gram
    let lambda = damping * gram.meanActiveDiagonal
    for index in 0..<gram.size { moments.elements[index * gram.size + index] += lambda }
    let values = target.values(codes)
    let change = matrix.indices.map { Double(values[$0]) - Double(matrix[$0]) }
    let gradient = moments.times(change, columns: layout.columns)
    for column in 0..<layout.columns {
      descend(&codes, column, target, moments, gradient, mask)
    }
    return (codes, scales)
  }

  private func descend(
    _ codes: inout [Int32], _ column: Int, _ target: ScaledGrid, _ moments: SymmetricMatrix,
    _ gradients: [Double], _ mask: [Bool]?
  ) {
    let (depth, columns) = (target.depth, target.columns)
    var gradient = (0..<depth).map { gradients[$0 * columns + column] }
    for _ in 0..<maximumSweeps {
      var isChanged = false
      for row in 0..<depth where mask?[row * columns + column] != true {
        let element = row * columns + column
        let present = target.value(codes[element], row: row, column: column)
        let curvature = moments[row, row]
        let best = target.code(Float(Double(present) - gradient[row] / curvature), row: row, column: column)
        if best == codes[element] { continue }
        let step = Double(target.value(best, row: row, column: column)) - Double(present)
        // Rounding to the nearest gains in exact arithmetic; asking keeps rounding errors from going in circles.
        if step * (2 * gradient[row] + step * curvature) >= 0 { continue }
        codes[element] = best
        isChanged = true
        moments.elements.withUnsafeBufferPointer { elements in
          for other in 0..<depth { gradient[other] += step * elements[row * depth + other] }
        }
      }
      if !isChanged { return }
    }
  }
}
