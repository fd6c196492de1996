/// Rounds every weight to the nearest number of its group's grid.
struct NearestRounding: WeightRounding {
  /// E[x²] of each row's input, for what clips by it, where no second moments are given.
  var importance: [Float]?

  func codes(
    _ matrix: [Float], _ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ clip: Clip,
    gram: SymmetricMatrix?, mask: [Bool]?, minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale]) {
    let scales = ScaleFitting.scales(
      matrix, layout, grid, groups, clip, importance: gram.map(ScaleFitting.importance) ?? importance,
      mask: mask, minimumScales: minimumScales)
    var codes = [Int32](repeating: 0, count: layout.count)
    for row in 0..<layout.depth {
      for column in 0..<layout.columns {
        let index = row * layout.columns + column
        let scale = scales[groups.index(row: row, column: column, columns: layout.columns)]
        codes[index] = grid.round(mask?[index] == true ? 0 : matrix[index], scale)
      }
    }
    return (codes, scales)
  }
}
