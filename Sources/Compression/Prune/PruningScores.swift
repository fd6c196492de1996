/// What each weight of a matrix `[depth, columns]` is worth keeping for; the lowest go.
enum PruningScores {
  /// |w| (Han et al. 2015).
  static func magnitude(_ weights: [Float]) -> [Float] { weights.map { abs($0) } }

  /// |w| · √E[x²] (Sun et al., "Wanda", 2023), to be ranked within each output.
  ///
  /// On small networks with ReLU, ranking within outputs does worse than magnitude, as inputs that are never active
  /// use up every output's share.
  /// - Parameter meanSquare: E[x²] of each row's input.
  static func wanda(_ weights: [Float], columns: Int, meanSquare: [Double]) -> [Float] {
    scaled(weights, columns, meanSquare.map { Float(max($0, 0).squareRoot()) })
  }

  /// |w| · (μ + κσ), where μ and σ are mean and spread of √E[x²] over folds of the calibration data: a weight goes
  /// only when it is unimportant in the light of how much its importance varies.
  /// - Parameters:
  ///   - folds: E[x²] of each row's input, for each fold.
  ///   - kappa: κ; 1 asks for importance one standard deviation above the mean.
  static func stability(
    _ weights: [Float], columns: Int, folds: [[Double]], kappa: Double = 1
  ) -> [Float] {
    precondition(!folds.isEmpty, "stability needs folds")
    let depth = columns == 0 ? 0 : weights.count / columns
    let count = Double(folds.count)
    let bounds = (0..<depth).map { row in
      let strengths = folds.map { max($0[row], 0).squareRoot() }
      let mean = strengths.reduce(0, +) / count
      let variance = strengths.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      return Float(mean + kappa * variance.squareRoot())
    }
    return scaled(weights, columns, bounds)
  }

  /// w² / U_kk² (LeCun et al., "Optimal brain damage", 1990, with the inverse of SparseGPT, 2023): what the output
  /// loses when all inputs after the k-th make up for the weight.
  /// - Parameter pivots: the diagonal of U, where (H + λI)⁻¹ = UᵀU.
  static func surgeon(_ weights: UnsafeBufferPointer<Double>, columns: Int, pivots: ArraySlice<Double>)
    -> [Float]
  {
    weights.indices.map { index in
      let ratio = weights[index] / pivots[pivots.startIndex + index / columns]
      return Float(ratio * ratio)
    }
  }

  private static func scaled(_ weights: [Float], _ columns: Int, _ factors: [Float]) -> [Float] {
    precondition(weights.count == factors.count * columns)
    return weights.indices.map { abs(weights[$0]) * factors[$0 / columns] }
  }
}
