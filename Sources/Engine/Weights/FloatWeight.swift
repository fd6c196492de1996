import Synchronization
import Tensors

/// The constant B of a float32 product, in the forms that its rows need: packed when first used, shared by all
/// sessions. What form is used is decided once for each number of rows; all give the same results as long as A is finite.
final class FloatWeight: Sendable {
  /// All elements, also of stacks of matrices.
  let dense = PackedWeights()
  /// nil: the fastest one.
  private let wanted: WeightFormKind?
  private let state = Mutex(State())

  private struct State {
    var isDecided = false
    /// nil: dense only.
    var density: WeightDensity?
    var choice: WeightChoice?
    var sparse: [SparseWeight] = []
  }

  init(_ options: CompileOptions) { wanted = options.weightForm }

  /// The sparse form for products with so many rows; nil when the dense one serves them.
  /// - Parameter packDense: all elements, packed for `gemm_f32`; asked for only to measure.
  func sparse(
    _ matrix: WeightMatrix, alpha: Float, rows: Int, packDense: () throws -> AlignedBuffer
  ) throws -> SparseWeight? {
    try state.withLock { state in
      if !state.isDecided { try decide(&state, matrix, packDense) }
      guard let kind = state.choice?.kind(rows: rows), kind != .dense else { return nil }
      if let form = state.sparse.first(where: { $0.kind == kind }) { return form }
      let density = state.density?.stored(by: kind) ?? 1
      guard let form = try SparseWeight(kind, try matrix.scaled(by: alpha), density: density) else {
        return nil
      }
      state.sparse.append(form)
      return form
    }
  }

  private func decide(
    _ state: inout State, _ matrix: WeightMatrix, _ packDense: () throws -> AlignedBuffer
  ) throws {
    defer { state.isDecided = true }
    if wanted == .dense || (wanted == nil && !WeightDensity.isWorthCounting(matrix)) { return }
    let density = WeightDensity(matrix)
    state.density = density
    if let wanted {
      state.choice = WeightChoice(kinds: WeightChoice.rowClasses.map { _ in wanted })
      return
    }
    let candidates = density.candidates
    if candidates.isEmpty { return }
    state.choice = try WeightChoices.choice(
      depth: matrix.depth, columns: matrix.columns, bits: 32, density
    ) {
      let sparse = try candidates.compactMap { try SparseWeight($0.kind, matrix, density: $0.density) }
      return [DenseWeight(packed: try packDense())] + sparse
    }
  }
}
