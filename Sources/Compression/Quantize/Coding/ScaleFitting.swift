/// Fits a grid to every group of a matrix before anything is rounded.
enum ScaleFitting {
  /// E[x²] of every input, from the diagonal of (1/n) XᵀX.
  static func importance(_ gram: SymmetricMatrix) -> [Float] {
    gram.diagonal.map { Float($0) }
  }

  /// One scale for each group, in the order of `ScaleGroups.index`.
  ///
  /// - Parameters:
  ///   - matrix: `[depth, columns]`.
  ///   - importance: E[x²], one for each row; nil where nothing is known.
  ///   - mask: elements that count as zero.
  ///   - minimumScales: lower bounds, one for each column.
  static func scales(
    _ matrix: [Float], _ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ clip: Clip,
    importance: [Float]?, mask: [Bool]?, minimumScales: [Float]?
  ) -> [GridScale] {
    precondition(matrix.count == layout.count, "a matrix with other extents than its layout")
    precondition(importance == nil || importance?.count == layout.depth, "one importance for each row")
    precondition(mask == nil || mask?.count == layout.count, "one element of the mask for each weight")
    var scales: [GridScale] = []
    scales.reserveCapacity(groups.count(depth: layout.depth, columns: layout.columns))
    var values: [Float] = []
    var weights: [Float] = []
    /// Appends a column's part to the group that is being gathered.
    func gather(_ rows: Range<Int>, _ column: Int) {
      for row in rows {
        let index = row * layout.columns + column
        values.append(mask?[index] == true ? 0 : matrix[index])
        if let importance { weights.append(importance[row]) }
      }
    }
    func fit(minimum: Float) {
      let scale = values.withUnsafeBufferPointer { values in
        weights.withUnsafeBufferPointer { weights in
          grid.fit(values, importance: importance == nil ? nil : weights, clip, minimumScale: minimum)
        }
      }
      scales.append(scale)
      values.removeAll(keepingCapacity: true)
      weights.removeAll(keepingCapacity: true)
    }
    if groups == .tensor {
      for column in 0..<layout.columns { gather(0..<layout.depth, column) }
      fit(minimum: minimumScales?.max() ?? 0)
      return scales
    }
    for block in 0..<groups.blocks(depth: layout.depth) {
      let rows = groups.rows(ofBlock: block, depth: layout.depth)
      for column in 0..<layout.columns {
        gather(rows, column)
        fit(minimum: minimumScales?[column] ?? 0)
      }
    }
    return scales
  }
}
