import Tensors

/// Chooses and removes weights of one layer.
///
/// Magnitude: Han et al., "Learning both weights and connections for efficient neural networks" (2015).
struct Pruner {
  var step: PruneStep
  /// The fraction of its weights that the layer loses; not for `threshold`.
  var sparsity: Double
  /// Fits the weights that stay to the layer's outputs, where its moments are known.
  var refits: Bool

  /// λ of the least squares, as in `OBSPruner`.
  private static let damping = 0.01

  /// The layer's weight with what goes set to zero.
  /// - Parameter number: the layer's place in the model, which seeds `random`.
  /// - Throws: as `Cholesky.lower`.
  func prune(
    _ layer: WeightLayer, number: Int, _ statistics: InputStatistics?
  ) throws(CompressionError) -> Tensor {
    var result = layer.weights
    let layout = layer.matrix
    if step.method == .obs, let statistics, !statistics.gram.isEmpty {
      var pruner = OBSPruner(structure: step.structure.mask, sparsity: sparsity)
      pruner.refits = refits
      for group in 0..<layout.groups {
        let matrix = layer.matrix(of: layer.weights, group: group)
        let pruned = try pruner.prune(matrix, columns: layout.columns, gram: statistics.gram[group])
        layer.store(pruned.weights, group: group, in: &result)
      }
      return result
    }
    let masks = masks(layer, number: number, statistics)
    for group in 0..<layout.groups {
      let matrix = layer.matrix(of: layer.weights, group: group)
      let mask = masks[group]
      if refits, let statistics, !statistics.gram.isEmpty {
        // What is zero already stays so.
        let removed = matrix.indices.map { mask[$0] || matrix[$0] == 0 }
        let fitted = try LeastSquares.refit(
          statistics.gram[group], matrix, columns: layout.columns, mask: removed, damping: Self.damping)
        layer.store(fitted, group: group, in: &result)
      } else {
        layer.store(matrix.indices.map { mask[$0] ? 0 : matrix[$0] }, group: group, in: &result)
      }
    }
    return result
  }

  /// What goes, for each group's matrix.
  private func masks(_ layer: WeightLayer, number: Int, _ statistics: InputStatistics?) -> [[Bool]] {
    let layout = layer.matrix
    if step.method == .threshold {
      let epsilon = Float(step.epsilon ?? 0)
      return (0..<layout.groups).map { group in
        layer.matrix(of: layer.weights, group: group).map { abs($0) < epsilon }
      }
    }
    let scores = Self.scores(layer, number: number, step.method, statistics)
    let structure = step.structure.mask
    if structure == .unstructured && step.method != .wanda {
      // One ranking for all groups: those of a depthwise convolution are too small to have one each.
      let mask = MaskStructure.lowest(
        MaskStructure.count(sparsity, of: layout.count * layout.groups), scores.flatMap { $0 })
      return (0..<layout.groups).map { Array(mask[$0 * layout.count..<($0 + 1) * layout.count]) }
    }
    return scores.map {
      structure.mask(
        $0, depth: layout.depth, columns: layout.columns, sparsity: sparsity, perOutput: step.method == .wanda
      )
    }
  }

  /// What each weight is worth keeping for, for each group's matrix; the magnitude where the method's own score is not
  /// known. Zeros are worth nothing.
  static func scores(
    _ layer: WeightLayer, number: Int, _ method: PruneStep.Method, _ statistics: InputStatistics?
  ) -> [[Float]] {
    let layout = layer.matrix
    return (0..<layout.groups).map { group in
      let matrix = layer.matrix(of: layer.weights, group: group)
      let rows = group * layout.depth..<(group + 1) * layout.depth
      switch method {
      case .random:
        return matrix.indices.map { index in
          matrix[index] == 0
            ? 0 : Float(1 + hash(UInt64(number) << 40 | UInt64(group * layout.count + index)) >> 9)
        }
      case .wanda, .obs:
        guard let meanSquare = statistics?.meanSquare, !meanSquare.isEmpty else { break }
        return PruningScores.wanda(matrix, columns: layout.columns, meanSquare: Array(meanSquare[rows]))
      case .stability:
        guard let folds = statistics?.folds, !folds.isEmpty else { break }
        return PruningScores.stability(
          matrix, columns: layout.columns, folds: folds.map { Array($0[rows]) })
      case .magnitude, .threshold, .activationEnergy, .l2: break
      }
      return PruningScores.magnitude(matrix)
    }
  }

  private static func hash(_ seed: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: SplitMix64.output(seed &+ SplitMix64.increment) >> 16)
  }
}

extension PruneStep.Structure {
  /// The shape of what goes, in matrices whose columns are outputs.
  var mask: MaskStructure {
    switch self {
    case .twoOfFour: .pattern(kept: 2, of: 4)
    case .fourOfEight: .pattern(kept: 4, of: 8)
    case .block1x16: .blocks(inputs: 1, outputs: 16)
    case .block4x1: .blocks(inputs: 1, outputs: 4)
    case .unstructured, .channel, .head: .unstructured
    }
  }
}

extension PruneStep.Method {
  /// What the scores are made of.
  var need: StatisticsNeed {
    switch self {
    case .wanda: .meanSquare
    case .obs: [.gram, .meanSquare]
    case .stability: .folds
    case .magnitude, .threshold, .random, .activationEnergy, .l2: []
    }
  }
}
