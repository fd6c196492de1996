import GraphIR
import Tensors

extension MergeStep: CompressionMethod {
  /// Joins the model with the one that the step names, which must be the same net for mode `weights` and have the
  /// same inputs and outputs for mode `outputs`.
  /// - Throws: `CompressionError.recipe` for a model that was not given or does not fit, telling the first difference.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    guard let given = context.others[self.model] else {
      throw .recipe("\(context.path).model: the model '\(self.model)' was not given")
    }
    do {
      let other = try Normalizer.normalized(given)
      switch mode {
      case .weights: try mergeWeights(other, into: &model, &ledger, context)
      case .outputs: try Ensemble(alpha: alpha, name: self.model).join(other, to: &model, &ledger)
      }
    } catch .model(let reason) {
      throw .recipe("\(context.path).model: '\(self.model)' does not fit: \(reason)")
    }
  }

  private func mergeWeights(
    _ other: Model, into model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    let layers = LayerScan(model).all
    let reasons = try selection.reasonsToSkip(layers, path: context.path)
    // Without a list, what belongs to no layer is merged too.
    var kept: Set<Place> = []
    var chosen: Set<Place>? = selection.layers == nil ? nil : []
    for (layer, reason) in zip(layers, reasons) {
      for value in [layer.weight, layer.bias ?? .none] {
        let place = Place(path: layer.path, value: value)
        if reason == nil { chosen?.insert(place) } else { kept.insert(place) }
      }
    }
    // A weight of several layers goes with those that are selected.
    if let chosen { kept.subtract(chosen) }
    let merged = try MergedWeights(model, other, alpha: alpha, except: kept, only: chosen)
    let before = model
    merged.apply(to: &model)
    for (layer, reason) in zip(layers, reasons) {
      let graph = before[graph: layer.path]
      if let reason {
        ledger.skip(layer, graph, reason: reason)
      } else if let weight = model[graph: layer.path][layer.weight].constant, weight != layer.weights {
        ledger.record(
          layer, graph, method: "merged \(alpha)", effective: weight, bytes: weight.byteCount)
      } else {
        ledger.skip(layer, graph, reason: "is the same in both models")
      }
    }
  }
}
