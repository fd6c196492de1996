/// Pruning with weight update: the weights that stay take over what those that go did, as far as the inputs allow.
///
/// Frantar and Alistarh, "SparseGPT: massive language models can be accurately pruned in one-shot" (2023), after
/// Hassibi and Stork, "Optimal brain surgeon" (1993); then the weights that stay are refitted by least squares for
/// the mask that was found, which removes what the fixed order of the walk costs.
struct OBSPruner {
  struct Result: Equatable {
    /// `[depth, columns]`, zero under the mask.
    var weights: [Float]
    /// True for weights that went.
    var mask: [Bool]
  }

  var structure = MaskStructure.unstructured
  /// The fraction of weights to remove; a pattern has its own.
  var sparsity: Double
  /// λ as a fraction of the mean second moment of the inputs.
  var damping = 0.01
  var refits = true

  /// Rows that one mask is chosen for.
  private static let panel = 128

  /// - Parameter matrix: `[gram.size, columns]`.
  /// - Throws: as `Cholesky.inverseUpper`.
  func prune(_ matrix: [Float], columns: Int, gram: SymmetricMatrix) throws(CompressionError) -> Result {
    let depth = gram.size
    precondition(matrix.count == depth * columns)
    let upper = try Cholesky.inverseUpper(gram, damping: damping)
    let pivots = (0..<depth).map { upper[$0 * depth + $0] }
    let isActive = gram.diagonal.map { $0 != 0 }
    let rows = structure.rows
    let panel = max(Self.panel / rows, 1) * rows
    var weight = matrix.map(Double.init)
    // A weight whose input is never active is worth nothing.
    for index in weight.indices where !isActive[index / columns] { weight[index] = 0 }
    var mask: [Bool] = []
    mask.reserveCapacity(matrix.count)
    var selectionRows = panel
    if case .pattern = structure { selectionRows = rows }
    ErrorPropagation.walk(
      &weight, depth: depth, columns: columns, upper, block: panel, selectionRows: selectionRows
    ) { rows, current in
      var scores = PruningScores.surgeon(current, columns: columns, pivots: pivots[rows])
      // What is zero already goes first, whatever updates would make of it.
      let first = rows.lowerBound * columns
      for index in scores.indices where matrix[first + index] == 0 { scores[index] = 0 }
      mask += structure.mask(scores, depth: rows.count, columns: columns, sparsity: sparsity)
    } change: { row, current in
      for column in 0..<columns {
        let element = row * columns + column
        if mask[element] || matrix[element] == 0 { current[column] = 0 }
      }
    }
    let updated = weight.map { Float($0) }
    if !refits { return Result(weights: updated, mask: mask) }
    return Result(
      weights: try LeastSquares.refit(
        gram, matrix, columns: columns, mask: matrix.indices.map { mask[$0] || matrix[$0] == 0 },
        start: updated, damping: damping), mask: mask)
  }
}
