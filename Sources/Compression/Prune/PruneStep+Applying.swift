import GraphIR
import Tensors

extension PruneStep: CompressionMethod {
  /// What is done about the error that removing weights makes.
  private struct Treatment {
    var refits: Bool
    var correctsBiases: Bool
  }

  /// Zeroes weights of `model`, and lets those that stay and the biases take over where the step says so.
  /// - Throws: `CompressionError.recipe` for patterns that match no layer, or a method or repair without data.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    if structure.isDense { return try StructuredPruner.apply(self, to: &model, &ledger, context) }
    try checkData(context)
    let scan = LayerScan(model)
    let graph = model.graph
    let reasons = try selection.reasonsToSkip(scan.layers, path: context.path)
    var chosen: [WeightLayer] = []
    for (layer, reason) in zip(scan.layers, reasons) {
      if let reason = reason ?? Self.obstacle(layer) {
        ledger.skip(layer, graph, reason: reason)
      } else {
        chosen.append(layer)
      }
    }
    if chosen.isEmpty { return }
    // A weight that several layers share is ranked and zeroed once.
    var seen: Set<ValueID> = []
    let owners = chosen.filter { seen.insert($0.weight).inserted }
    let shares = try shares(owners, model, context)
    let original = model
    model = try best(treatments(owners, context), owners, chosen, shares, original, context)
    let results = Dictionary(
      LayerScan(model).layers.map { ($0.key(in: model.graph), $0.weights) }, uniquingKeysWith: { $1 })
    for layer in chosen {
      guard let result = results[layer.key(in: graph)] else { continue }
      if result == layer.weights {
        ledger.skip(layer, graph, reason: "no further weight to zero")
      } else {
        ledger.record(
          layer, graph, method: label(of: layer), effective: result, bytes: result.byteCount,
          form: WeightForm(structure: structure.rawValue))
      }
    }
  }

  private func checkData(_ context: StepContext) throws(CompressionError) {
    if context.calibration != nil { return }
    if method.need != [] {
      throw .recipe(
        "\(context.path).method: \(method.rawValue) needs calibration data; name a dataset in calibration")
    }
    if repair == .bias || repair == .leastSquares {
      throw .recipe(
        "\(context.path).repair: \(repair.rawValue) needs calibration data; name a dataset in calibration")
    }
  }

  private static func obstacle(_ layer: WeightLayer) -> String? {
    if !layer.isProduct { return "weights of \(layer.op) are not pruned" }
    return layer.path.steps.isEmpty ? nil : "inside a sub-graph, where weights are not pruned"
  }

  private func label(of layer: WeightLayer) -> String {
    let shape = structure == .unstructured ? "" : " \(structure.rawValue)"
    let depth = layer.matrix.depth
    if method == .obs && depth > InputStatisticsPass.maximumDepth {
      return "pruned magnitude\(shape) (\(depth) inputs are too many for obs)"
    }
    return "pruned \(method.rawValue)\(shape)"
  }

  /// The fraction that each layer loses.
  private func shares(
    _ layers: [WeightLayer], _ model: Model, _ context: StepContext
  ) throws(CompressionError) -> [Double] {
    let sparsity = sparsity ?? 0
    let wanted = structure.isPattern || method == .threshold ? .layer : scope
    switch wanted {
    case .layer: return layers.map { _ in sparsity }
    case .erk:
      return SparsityAllocation.erk(
        layers.map { layer in
          let shape = layer.shape
          return layer.isConvolution ? shape.dimensions : [layer.matrix.depth, layer.matrix.columns]
        }, sparsity: sparsity)
    case .global:
      var need = method.need
      need.remove(.gram)
      var statistics: [LayerKey: InputStatistics] = [:]
      if let dataset = context.calibration, need != [] {
        statistics = try InputStatisticsPass.measure(
          layers.map { ($0, need) }, in: model, dataset, memory: context.memory, context.resources)
      }
      var scores: [[Float]] = []
      for (number, layer) in layers.enumerated() {
        let own = statistics[layer.key(in: model.graph)]
        scores.append(Pruner.scores(layer, number: number, method, own).flatMap { $0 })
      }
      return SparsityAllocation.global(scores, sparsity: sparsity, isNormalized: method.need != [])
    }
  }

  /// What may be done, the strongest first; the last is always there.
  private func treatments(_ layers: [WeightLayer], _ context: StepContext) -> [Treatment] {
    let hasOwnUpdate = method == .obs
    switch repair {
    case .none: return [Treatment(refits: false, correctsBiases: false)]
    case .bias: return [Treatment(refits: false, correctsBiases: true)]
    case .leastSquares: return [Treatment(refits: true, correctsBiases: true)]
    case .auto:
      if context.calibration == nil { return [Treatment(refits: false, correctsBiases: false)] }
      // A refit after the update of a pattern's weights fits the calibration data more than it helps.
      let refits = !(hasOwnUpdate && structure.isPattern)
      if hasOwnUpdate {
        return [true, false].map { Treatment(refits: refits, correctsBiases: $0) }
      }
      let plain = [true, false].map { Treatment(refits: false, correctsBiases: $0) }
      return Self.refitWork(layers) > CalibrationWork.limit
        ? plain : [Treatment(refits: true, correctsBiases: true)] + plain
    }
  }

  /// Multiplications that fitting every output by itself takes at most: what large models are spared unless the recipe
  /// asks for it.
  private static func refitWork(_ layers: [WeightLayer]) -> Double {
    layers.reduce(0) { sum, layer in
      let layout = layer.matrix
      let depth = Double(layout.depth)
      return sum + Double(layout.groups * layout.columns) * depth * depth * depth / 3
    }
  }

  /// The pruned model whose outputs on the calibration data agree best with the original's.
  private func best(
    _ treatments: [Treatment], _ owners: [WeightLayer], _ chosen: [WeightLayer], _ shares: [Double],
    _ original: Model, _ context: StepContext
  ) throws(CompressionError) -> Model {
    var best: (model: Model, degree: OutputAgreement.Degree)?
    for treatment in treatments {
      let model = try pruned(original, owners, chosen, shares, treatment, context)
      guard let dataset = context.calibration, treatments.count > 1 else { return model }
      let degree = try OutputAgreement(original, dataset, context.resources).of(model)
      if best.map({ $0.degree < degree }) ?? true { best = (model, degree) }
    }
    return best?.model ?? original
  }

  private func pruned(
    _ original: Model, _ owners: [WeightLayer], _ chosen: [WeightLayer], _ shares: [Double],
    _ treatment: Treatment, _ context: StepContext
  ) throws(CompressionError) -> Model {
    var model = original
    var need = method.need
    if treatment.refits { need.insert(.gram) }
    let keys = owners.map { $0.key(in: original.graph) }
    let places = Dictionary(zip(keys, keys.indices), uniquingKeysWith: { first, _ in first })
    func prune(
      _ key: LayerKey, _ layer: WeightLayer, _ statistics: InputStatistics?
    ) throws(CompressionError) -> Tensor {
      guard let number = places[key] else { return layer.weights }
      let pruner = Pruner(step: self, sparsity: shares[number], refits: treatment.refits)
      return try pruner.prune(layer, number: number, statistics)
    }
    guard let dataset = context.calibration, need != [] else {
      var editor = GraphEditor(model.graph, "pruning")
      for (key, layer) in zip(keys, owners) {
        editor.setConstant(layer.weight, try prune(key, layer, nil))
      }
      try editor.apply(to: &model)
      if treatment.correctsBiases {
        try BiasCorrector.correct(
          chosen.map { $0.key(in: original.graph) }, from: original, in: &model, context,
          keepsOnlyGains: false)
      }
      return model
    }
    let walk = LayerWalk(context: context, need: need, correctsBiases: treatment.correctsBiases)
    try walk.run(keys, in: &model, dataset, change: prune)
    return model
  }
}
