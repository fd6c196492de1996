/// Rounds a weight matrix row by row and lets the rows that follow make up for what each rounding loses.
///
/// Frantar et al., "GPTQ: accurate post-training quantization for generative pre-trained transformers" (2022),
/// equations 2 and 3, with the inputs in falling order of their energy ("act-order"). Scales are fitted to the
/// original weight in its own order, so that blocks along the depth stay what a file can hold.
struct GPTQRounding: WeightRounding {
  /// λ as a fraction of the mean second moment of the inputs.
  var damping = 0.01

  private static let block = 128

  /// - Parameter gram: the second moments of the inputs. Nil: every element is rounded to the nearest code.
  /// - Throws: as `Cholesky.inverseUpper`.
  func codes(
    _ matrix: [Float], _ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ clip: Clip,
    gram: SymmetricMatrix?, mask: [Bool]?, minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale]) {
    var masked = matrix
    if let mask {
      for index in masked.indices where mask[index] { masked[index] = 0 }
    }
    let scales = ScaleFitting.scales(
      masked, layout, grid, groups, clip, importance: gram.map(ScaleFitting.importance), mask: mask,
      minimumScales: minimumScales)
    let target = ScaledGrid(layout, grid, groups, scales)
    guard let gram, !matrix.isEmpty else { return (target.nearest(masked, mask), scales) }
    return (try solve(masked, target, gram, mask), scales)
  }

  private func solve(
    _ matrix: [Float], _ target: ScaledGrid, _ gram: SymmetricMatrix, _ mask: [Bool]?
  ) throws(CompressionError) -> [Int32] {
    let (depth, columns) = (target.depth, target.columns)
    precondition(gram.size == depth)
    let energy = gram.diagonal
    let order = (0..<depth).sorted { energy[$0] != energy[$1] ? energy[$0] > energy[$1] : $0 < $1 }
    let upper = try Cholesky.inverseUpper(gram.selecting(order), damping: damping)
    var weight: [Double] = []
    weight.reserveCapacity(matrix.count)
    for row in order {
      for column in 0..<columns { weight.append(Double(matrix[row * columns + column])) }
    }
    var codes = [Int32](repeating: 0, count: matrix.count)
    ErrorPropagation.walk(&weight, depth: depth, columns: columns, upper, block: Self.block) {
      place, current in
      let row = order[place]
      for column in 0..<columns {
        let element = row * columns + column
        let isMasked = mask?[element] ?? false
        codes[element] = target.code(isMasked ? 0 : Float(current[column]), row: row, column: column)
        current[column] = isMasked ? 0 : Double(target.value(codes[element], row: row, column: column))
      }
    }
    return codes
  }
}
