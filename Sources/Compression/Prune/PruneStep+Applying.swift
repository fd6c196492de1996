import GraphIR
import Tensors

extension PruneStep: CompressionMethod {
  /// Zeroes weights of `model` and lets biases take up their mean where the step says so.
  /// - Throws: `CompressionError.recipe` for patterns that match no layer, or a repair without data.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    let scan = LayerScan(model)
    let graph = model.graph
    let reasons = try selection.reasonsToSkip(scan.layers, path: context.path)
    var chosen: [WeightLayer] = []
    for (layer, reason) in zip(scan.layers, reasons) {
      if let reason { ledger.skip(layer, graph, reason: reason) } else { chosen.append(layer) }
    }
    // A weight that several layers share is ranked and zeroed once.
    var seen: Set<ValueID> = []
    let owners = chosen.filter { seen.insert($0.weight).inserted }
    let results = Dictionary(
      uniqueKeysWithValues: zip(owners.map(\.weight), Pruner.prune(owners.map(\.weights), self)))
    var editor = GraphEditor(graph, "pruning")
    var changed: [WeightLayer] = []
    for layer in chosen {
      guard let result = results[layer.weight] else { continue }
      if result == layer.weights {
        ledger.skip(layer, graph, reason: "no further weight to zero")
        continue
      }
      ledger.record(
        layer, graph, method: "pruned \(method.rawValue)", effective: result, bytes: result.byteCount)
      changed.append(layer)
    }
    for (weight, tensor) in results { editor.setConstant(weight, tensor) }
    let original = model
    try editor.apply(to: &model)
    try repairBiases(of: changed, original, &model, context)
  }

  /// Walks the layers in order, so that each is corrected for what those before it still get wrong.
  private func repairBiases(
    of layers: [WeightLayer], _ original: Model, _ model: inout Model, _ context: StepContext
  ) throws(CompressionError) {
    if repair == .none { return }
    guard let calibration = context.calibration else {
      if repair == .auto { return }
      throw .recipe("\(context.path).repair: bias needs calibration data; name a dataset in calibration")
    }
    let unrepaired = model
    try correctBiases(of: layers, original, &model, calibration, context.resources)
    if repair == .auto {
      // Means say little once most weights are gone: the repair stays only where it helps.
      let plain = try agreement(of: unrepaired, with: original, calibration, context.resources)
      let repaired = try agreement(of: model, with: original, calibration, context.resources)
      if plain > repaired { model = unrepaired }
    }
  }

  /// The fraction of samples with the same argmax, or the outputs' cosine where there are no classes.
  private func agreement(
    of model: Model, with original: Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) -> Double {
    let paired = try Evaluator.compare(
      try ModelRunner(original, resources), try ModelRunner(model, resources), dataset, metric: .cosine,
      resources.meter)
    return paired.comparison.agreement ?? paired.comparison.cosine
  }

  private func correctBiases(
    of layers: [WeightLayer], _ original: Model, _ model: inout Model, _ calibration: Dataset,
    _ resources: Resources
  ) throws(CompressionError) {
    let means = try BiasCorrection.inputMeans(layers, original, calibration, resources)
    for layer in layers {
      let name = original.graph[layer.output].name
      let scan = LayerScan(model)
      guard let pruned = scan.layers.first(where: { model.graph[$0.output].name == name }) else { continue }
      let seen = try BiasCorrection.inputMeans([pruned], model, calibration, resources)
      guard
        let shift = BiasCorrection.shift(
          pruned, from: layer.weights, to: pruned.weights, means: means[layer.node],
          changedMeans: seen[pruned.node])
      else { continue }
      var editor = GraphEditor(model.graph, "bias repair")
      let index = GraphIndex(model.graph)
      let isPlaced = try tensors { () throws(TensorError) in
        try LayerBias.add(shift, to: pruned, index, &editor)
      }
      if isPlaced { try editor.apply(to: &model) }
    }
  }
}
