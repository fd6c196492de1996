/// How many components layers keep: by the share of energy, or by what all of them may cost together.
enum RankChoice {
  /// One layer that can be factored.
  struct Candidate: Sendable {
    /// What each component adds, descending.
    var energies: [Double]
    /// Numbers (or multiplications) that one component costs: depth + columns for a matrix.
    var costPerRank: Int
    /// What the layer costs unfactored.
    var fullCost: Int
  }

  /// The smallest rank that keeps the share `energy` (0…1) of the sum of `energies`, at least 1.
  static func rank(_ energies: [Double], keeping energy: Double) -> Int {
    let whole = energies.reduce(0, +)
    guard whole > 0 else { return min(1, energies.count) }
    var kept = 0.0
    for (index, value) in energies.enumerated() {
      kept += value
      // Rounding of the sum must not ask for one rank more when everything is wanted.
      if kept >= energy * whole * (1 - 1e-12) { return index + 1 }
    }
    return energies.count
  }

  /// The rank that holds at most the share `parameters` (0…1) of a matrix's numbers, at least 1.
  static func rank(parameters: Double, depth: Int, columns: Int) -> Int {
    guard depth > 0, columns > 0 else { return 0 }
    let rank = Int((parameters * Double(depth * columns) / Double(depth + columns)).rounded(.down))
    return min(max(rank, 1), min(depth, columns))
  }

  /// Ranks under a common budget, by greedy marginal gain: the component that keeps most of its own layer's energy for
  /// what it costs comes first. Energies fall within a layer, so that greedy is optimal up to the last component.
  ///
  /// - Parameter budget: what all layers together may cost; every layer has at least one component.
  /// - Returns: a rank for each layer; nil leaves it as it is.
  static func ranks(_ layers: [Candidate], budget: Int) -> [Int?] {
    var ranks = layers.map { Int?.some(min(1, $0.energies.count)) }
    var spent = 0
    for (index, layer) in layers.enumerated() {
      if layer.costPerRank >= layer.fullCost { ranks[index] = nil }
      spent += ranks[index] == nil ? layer.fullCost : layer.costPerRank
    }
    var isOpen = ranks.map { $0 != nil }
    while true {
      var best: (layer: Int, rank: Int?, cost: Int, density: Double)?
      for (index, layer) in layers.enumerated() where isOpen[index] {
        let step = layer.step(after: ranks[index] ?? 0)
        if best == nil || step.density > best!.density { best = (index, step.rank, step.cost, step.density) }
      }
      // What adds nothing is not worth its cost.
      guard let best, best.density > 0 else { return ranks }
      if spent + best.cost > budget {
        isOpen[best.layer] = false
        continue
      }
      spent += best.cost
      ranks[best.layer] = best.rank
      if best.rank == nil { isOpen[best.layer] = false }
    }
  }
}

extension RankChoice.Candidate {
  /// One more component than `rank`, or the whole layer where that is no larger.
  fileprivate func step(after rank: Int) -> (rank: Int?, cost: Int, density: Double) {
    let whole = energies.reduce(0, +)
    let next = rank + 1
    if next <= energies.count, next * costPerRank < fullCost {
      let gain = whole > 0 ? energies[next - 1] / whole : 0
      return (next, costPerRank, gain / Double(max(costPerRank, 1)))
    }
    let cost = max(fullCost - rank * costPerRank, 0)
    let gain = whole > 0 ? energies.dropFirst(rank).reduce(0, +) / whole : 0
    return (nil, cost, gain / Double(max(cost, 1)))
  }
}
