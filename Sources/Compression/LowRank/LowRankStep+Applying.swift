import GraphIR
import Tensors

extension LowRankStep: CompressionMethod {
  /// Replaces layers by products of smaller ones: all under one budget of numbers, or each by the energy it keeps.
  /// - Throws: `CompressionError.recipe` for patterns that match no layer.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    let scan = LayerScan(model)
    let graph = model.graph
    let reasons = try selection.reasonsToSkip(scan.layers, path: context.path)
    var readers: [ValueID: Int] = [:]
    for layer in scan.layers where layer.path.steps.isEmpty { readers[layer.weight, default: 0] += 1 }
    var chosen: [WeightLayer] = []
    for (layer, reason) in zip(scan.layers, reasons) {
      var reason = reason ?? LowRankCandidate.obstacle(layer)
      if reason == nil && !layer.path.steps.isEmpty { reason = "a layer inside a sub-graph is not factored" }
      if reason == nil && readers[layer.weight] != 1 { reason = "its weight belongs to several layers" }
      if let reason {
        ledger.skip(layer, model[graph: layer.path], reason: reason)
      } else {
        chosen.append(layer)
      }
    }
    let candidates = try candidates(chosen, model, context)
    let ranks = ranks(candidates)
    var writer = LowRankWriter(graph)
    var replaced: [WeightLayer] = []
    for (candidate, rank) in zip(candidates, ranks) {
      let layer = candidate.layer
      let size = rank.map { $0 * candidate.components.costPerRank } ?? 0
      guard size < layer.weights.elementCount, let parts = try candidate.parts(size: size),
        parts.elementCount < layer.weights.elementCount
      else {
        ledger.skip(layer, graph, reason: reasonToKeep(rank))
        continue
      }
      let written = writer.write(parts, of: layer)
      ledger.replace(
        layer, graph, method: parts.label, effective: parts.effective, parts: written)
      replaced.append(layer)
      try context.resources.meter.tick()
    }
    if replaced.isEmpty { return }
    let reference = model
    try writer.apply(to: &model)
    try context.correctBiases(of: replaced, from: reference, in: &model)
  }

  private func reasonToKeep(_ rank: Int?) -> String {
    if let rank, energy != nil { return "rank \(rank), which the energy asks for, is not smaller" }
    return "is worth its full size under the common budget"
  }

  /// With the moments of the inputs of as many layers at a time as fit into memory.
  private func candidates(
    _ layers: [WeightLayer], _ model: Model, _ context: StepContext
  ) throws(CompressionError) -> [LowRankCandidate] {
    var result: [LowRankCandidate] = []
    var rest = layers[...]
    // Convolutions keep their moments until their form is chosen.
    var kept = 0
    while !rest.isEmpty {
      var part: [WeightLayer] = []
      var bytes = 0
      while let layer = rest.first, part.isEmpty || bytes + Self.momentBytes(layer) <= context.memory / 2 {
        bytes += Self.momentBytes(layer)
        part.append(layer)
        rest.removeFirst()
      }
      let usesInputs = method == .activationSVD
      let statistics = usesInputs ? try context.inputStatistics(of: part, .gram, in: model) : [:]
      for layer in part {
        let gram = statistics[layer.key(in: model.graph)]?.gram.first
        let keeps = kept + Self.momentBytes(layer) <= context.memory / 2
        let candidate = try LowRankCandidate(layer, gram: gram, keepsMoments: keeps)
        if candidate.hasMoments { kept += Self.momentBytes(layer) }
        result.append(candidate)
        try context.resources.meter.advance(to: Double(result.count) / Double(layers.count))
      }
    }
    return result
  }

  private static func momentBytes(_ layer: WeightLayer) -> Int { layer.matrix.depth * layer.matrix.depth * 8 }

  /// nil: the layer stays as it is.
  private func ranks(_ candidates: [LowRankCandidate]) -> [Int?] {
    let components = candidates.map(\.components)
    if let energy { return components.map { RankChoice.rank($0.energies, keeping: energy) } }
    let whole = components.reduce(0) { $0 + $1.fullCost }
    return RankChoice.ranks(components, budget: Int((Double(whole) * (parameters ?? 1)).rounded(.down)))
  }
}

extension LowRankCandidate.Parts {
  fileprivate var label: String {
    switch form {
    case .matrices: "low rank \(ranks[0])"
    case .spatial: "low rank \(ranks[0]), spatial"
    case .tucker: "low rank \(ranks[0]) × \(ranks[1]), Tucker"
    }
  }
}
