/// A grid with the scales of one matrix: codes and numbers by place.
struct ScaledGrid {
  let depth: Int
  let columns: Int
  private let grid: any WeightGrid
  private let groups: ScaleGroups
  private let scales: [GridScale]

  init(_ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ scales: [GridScale]) {
    self.depth = layout.depth
    self.columns = layout.columns
    self.grid = grid
    self.groups = groups
    self.scales = scales
  }

  func code(_ value: Float, row: Int, column: Int) -> Int32 {
    grid.round(value, scales[groups.index(row: row, column: column, columns: columns)])
  }

  func value(_ code: Int32, row: Int, column: Int) -> Float {
    grid.value(code, scales[groups.index(row: row, column: column, columns: columns)])
  }

  /// The codes nearest to `matrix`, and to zero where `mask` is true.
  func nearest(_ matrix: [Float], _ mask: [Bool]? = nil) -> [Int32] {
    matrix.indices.map { element in
      let value = mask?[element] == true ? 0 : matrix[element]
      return code(value, row: element / columns, column: element % columns)
    }
  }

  /// The numbers that `codes` stand for.
  func values(_ codes: [Int32]) -> [Float] {
    codes.indices.map { value(codes[$0], row: $0 / columns, column: $0 % columns) }
  }
}
