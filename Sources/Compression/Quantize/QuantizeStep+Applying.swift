import GraphIR
import Tensors

extension QuantizeStep: CompressionMethod {
  /// Rewrites the layers of `model` that the step selects.
  /// - Throws: `CompressionError.recipe` for patterns that match no layer, or static activations without data.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    let scan = LayerScan(model)
    let graph = model.graph
    let reasons = try selection.reasonsToSkip(scan.layers, path: context.path)
    var chosen: [WeightLayer] = []
    for (layer, reason) in zip(scan.layers, reasons) {
      if let reason = reason ?? obstacle(layer, graph) {
        ledger.skip(layer, graph, reason: reason)
      } else {
        chosen.append(layer)
      }
    }
    switch activations ?? .dynamic {
    case .dynamic:
      var rewriting = DynamicQuantization(graph, self)
      for layer in chosen {
        let weight = try tensors { () throws(TensorError) in try rewriting.apply(layer) }
        ledger.record(layer, graph, method: methodName, effective: weight, bytes: storedBytes(layer))
        try context.resources.meter.tick()
      }
      try rewriting.apply(to: &model)
    case .none:
      var rewriting = WeightOnlyQuantization(graph, self)
      for layer in chosen {
        let weight = try tensors { () throws(TensorError) in try rewriting.apply(layer) }
        ledger.record(layer, graph, method: methodName, effective: weight, bytes: storedBytes(layer))
        try context.resources.meter.tick()
      }
      try rewriting.apply(to: &model)
    case .static: try applyStatic(chosen, &model, &ledger, context)
    }
  }

  private func applyStatic(
    _ chosen: [WeightLayer], _ model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    guard let calibration = context.calibration else {
      throw .recipe(
        "\(context.path).activations: static needs calibration data; name a dataset in calibration, or use "
          + "dynamic")
    }
    let graph = model.graph
    let tensorsToQuantize = QuantizedTensors(chosen, graph, GraphIndex(graph))
    let ranges = try RangeCalibration.ranges(
      tensorsToQuantize, model, calibrator, calibration, context.resources)
    let usable = chosen.filter { layer in
      if let name = tensorsToQuantize.unusable(layer, ranges, graph) {
        ledger.skip(layer, graph, reason: "no range for '\(name)': it is not float32, or never finite")
        return false
      }
      return true
    }
    let means =
      biasCorrection ? try BiasCorrection.inputMeans(usable, model, calibration, context.resources) : [:]
    let finalTensors =
      usable.count == chosen.count
      ? tensorsToQuantize : QuantizedTensors(usable, graph, GraphIndex(graph))
    var rewriting = try tensors { () throws(TensorError) in
      try StaticQuantization(graph, self, usable, finalTensors, ranges: ranges)
    }
    for layer in usable {
      let weight = try tensors { () throws(TensorError) in
        try rewriting.apply(layer) { effective in
          BiasCorrection.shift(
            layer, from: layer.weights, to: effective, means: means[layer.node])
        }
      }
      ledger.record(layer, graph, method: methodName, effective: weight, bytes: storedBytes(layer))
      try context.resources.meter.tick()
    }
    rewriting.connectActivations()
    try rewriting.apply(to: &model)
  }

  private func obstacle(_ layer: WeightLayer, _ graph: Graph) -> String? {
    switch activations ?? .dynamic {
    case .dynamic: DynamicQuantization.obstacle(layer, in: graph, selection)
    case .static: StaticQuantization.obstacle(layer)
    case .none: WeightOnlyQuantization.obstacle(layer)
    }
  }

  private var methodName: String {
    let mode = activations ?? .dynamic
    return mode == .none ? "\(weights.rawValue) weights" : "\(weights.rawValue) \(mode.rawValue)"
  }

  /// Codes and scales.
  private func storedBytes(_ layer: WeightLayer) -> Int {
    layer.weights.elementCount + 4 * (granularity == .channel ? layer.outputChannels : 1)
  }
}
