import GraphIR
import Tensors

extension PruneStep {
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
    let pruned = Pruner.prune(owners.map(\.weights), self)
    let results = Dictionary(uniqueKeysWithValues: zip(owners.map(\.weight), pruned))
    let means = try repairMeans(chosen, model, context)

    let index = GraphIndex(graph)
    var editor = GraphEditor(graph, "pruning")
    for layer in chosen {
      guard let result = results[layer.weight] else { continue }
      let methodName = "pruned \(method.rawValue)"
      if result == layer.weights {
        ledger.skip(layer, graph, reason: "no further weight to zero")
        continue
      }
      ledger.record(layer, graph, method: methodName, effective: result, bytes: result.byteCount)
      if let shift = BiasCorrection.shift(layer, from: layer.weights, to: result, means: means[layer.node]) {
        _ = try tensors { () throws(TensorError) in try LayerBias.add(shift, to: layer, index, &editor) }
      }
    }
    for (weight, tensor) in results { editor.setConstant(weight, tensor) }
    try editor.apply(to: &model)
  }

  /// Mean inputs by layer node; empty when nothing is to be repaired.
  private func repairMeans(
    _ layers: [WeightLayer], _ model: Model, _ context: StepContext
  ) throws(CompressionError) -> [Int: [Double]] {
    if repair == .none { return [:] }
    guard let calibration = context.calibration else {
      if repair == .auto { return [:] }
      throw .recipe("\(context.path).repair: bias needs calibration data; name a dataset in calibration")
    }
    return try BiasCorrection.inputMeans(layers, model, calibration, context.resources)
  }
}
