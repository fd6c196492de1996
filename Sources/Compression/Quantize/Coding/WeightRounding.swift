/// Chooses the codes of a matrix: to the nearest number, or so that errors of the inputs' sums cancel.
protocol WeightRounding: Sendable {
  /// Codes `[depth, columns]` of one group's matrix, with the scales in the order of `ScaleGroups.index`.
  ///
  /// - Parameters:
  ///   - matrix: `[depth, columns]`.
  ///   - gram: (1/n) XᵀX of the layer's input, `[depth, depth]`; nil without data.
  ///   - mask: elements that stay zero, as far as the grid keeps zero.
  ///   - minimumScales: lower bounds for the scales, one for each column.
  /// - Throws: `CompressionError` where `gram` cannot be used.
  func codes(
    _ matrix: [Float], _ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ clip: Clip,
    gram: SymmetricMatrix?, mask: [Bool]?, minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale])
}
