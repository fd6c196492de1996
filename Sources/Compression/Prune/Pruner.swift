import GraphIR
import Tensors

/// Unstructured pruning: sets single weights to zero.
///
/// Magnitude: Han et al., "Learning both weights and connections for efficient neural networks" (2015).
enum Pruner {
  /// The weights of `layers` after `step`, in the same order.
  static func prune(_ layers: [Tensor], _ step: PruneStep) -> [Tensor] {
    switch step.method {
    case .threshold:
      let epsilon = Float(step.epsilon ?? 0)
      return layers.map { layer in zeroing(layer) { weight, _ in abs(weight) < epsilon } }
    case .magnitude, .random:
      let sparsity = step.sparsity ?? 0
      if step.scope == .layer {
        return layers.enumerated().map {
          prune([$1], firstLayer: $0, step.method, sparsity)[0]
        }
      }
      return prune(layers, firstLayer: 0, step.method, sparsity)
    case .wanda, .obs, .stability, .activationEnergy, .l2:
      preconditionFailure("recipes with method \(step.method.rawValue) are refused")
    }
  }

  /// Prunes `layers` by one ranking.
  private static func prune(
    _ layers: [Tensor], firstLayer: Int, _ method: PruneStep.Method, _ sparsity: Double
  ) -> [Tensor] {
    let total = layers.reduce(0) { $0 + $1.elementCount }
    let count = Int((sparsity * Double(total)).rounded())
    func score(_ weight: Float, _ layer: Int, _ index: Int) -> UInt32 {
      // Zeros count as pruned already, whatever the method.
      if weight == 0 { return 0 }
      if method == .random { return max(1, hash(UInt64(firstLayer + layer) << 40 | UInt64(index))) }
      // The bit patterns of floats that are not negative are ordered as the floats are.
      return max(1, abs(weight).bitPattern)
    }
    var smallest = SmallestScores(count: count) { visit in
      for (number, layer) in layers.enumerated() {
        layer.withElements(Float.self) { weights in
          for index in weights.indices { visit(score(weights[index], number, index)) }
        }
      }
    }
    var pruned: [Tensor] = []
    for (number, layer) in layers.enumerated() {
      pruned.append(zeroing(layer) { weight, index in smallest.chooses(score(weight, number, index)) })
    }
    return count == 0 ? layers : pruned
  }

  private static func zeroing(_ tensor: Tensor, where isPruned: (Float, Int) -> Bool) -> Tensor {
    var result = tensor
    result.withMutableElements(Float.self) { weights in
      for index in weights.indices where isPruned(weights[index], index) { weights[index] = 0 }
    }
    return result
  }

  /// SplitMix64's output function: a fixed choice that looks random, equal on every machine.
  private static func hash(_ seed: UInt64) -> UInt32 {
    var z = seed &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return UInt32(truncatingIfNeeded: (z ^ (z >> 31)) >> 16)
  }
}
