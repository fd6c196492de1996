import GraphIR
import Tensors

/// Adjacent quantize steps as one: the first step that selects a layer and can quantize it takes it. So a recipe that
/// lists layers in several steps has one calibration, and one QuantizeLinear for a tensor whoever reads it.
struct QuantizationPass: CompressionMethod {
  /// The steps with their paths, in the recipe's order.
  let steps: [(step: QuantizeStep, path: String)]

  /// Rewrites the layers of `model` that the steps select.
  /// - Throws: `CompressionError.recipe` for patterns that match no layer, or static activations without data.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    if context.calibration == nil, let part = steps.first(where: { $0.step.activations == .static }) {
      throw .recipe(
        "\(part.path).activations: static needs calibration data; name a dataset in calibration, or use "
          + "dynamic")
    }
    try Self.apply(assignments(model, &ledger), to: &model, &ledger, context)
  }

  static func apply(
    _ assignments: [QuantizeAssignment], to model: inout Model, _ ledger: inout LayerLedger,
    _ context: StepContext
  ) throws(CompressionError) {
    try raise(&model, for: assignments)
    try Smoothing.apply(refreshed(assignments, model), to: &model, &ledger, context)
    let reference = model
    let coded = try WeightSolver.solve(refreshed(assignments, model), in: &model, context)
    func chosen(_ mode: QuantizeStep.Activations) -> [QuantizeAssignment] {
      refreshed(assignments.filter { $0.step.mode == mode }, model).map { assignment in
        var result = assignment
        result.coded = coded[assignment.key]
        return result
      }
    }
    // Ranges are those of the model before any of its layers is quantized.
    try applyStatic(chosen(.static), &model, &ledger, context)
    try applyDynamic(chosen(.dynamic), &model, &ledger, context)
    try applyWeightsOnly(chosen(.none), &model, &ledger, context)
    // Weights alone that were chosen layer by layer have their biases corrected by then.
    let uncorrected = assignments.filter {
      $0.step.biasCorrection && ($0.step.mode != .none || coded[$0.key] == nil)
    }
    try BiasCorrector.correct(
      uncorrected.map(\.key), from: reference, in: &model, context, keepsOnlyGains: true)
    // Corrections look for the layers themselves.
    try QOperatorForm.apply(
      refreshed(assignments.filter { $0.step.format == .qoperator }, reference), reference.graph, &model,
      &ledger)
  }

  // MARK: Who takes what

  private func assignments(
    _ model: Model, _ ledger: inout LayerLedger
  ) throws(CompressionError) -> [QuantizeAssignment] {
    let layers = LayerScan(model).all
    var selections: [[String?]] = []
    for (step, path) in steps { selections.append(try step.selection.reasonsToSkip(layers, path: path)) }
    var result: [QuantizeAssignment] = []
    for (index, layer) in layers.enumerated() {
      let graph = model[graph: layer.path]
      var reasons: [String] = []
      for (position, (step, path)) in steps.enumerated() {
        let reason = selections[position][index] ?? step.obstacle(layer, graph)
        guard let reason else {
          result.append(
            QuantizeAssignment(layer: layer, key: layer.key(in: graph), step: step, path: path))
          reasons = []
          break
        }
        if !reasons.contains(reason) { reasons.append(reason) }
      }
      for reason in reasons { ledger.skip(layer, graph, reason: reason) }
    }
    return result
  }

  /// The assignments with the layers as they stand in `model`, whose nodes another form may have moved.
  private static func refreshed(_ assignments: [QuantizeAssignment], _ model: Model) -> [QuantizeAssignment] {
    if assignments.isEmpty { return [] }
    var current: [LayerKey: WeightLayer] = [:]
    for layer in LayerScan(model).all { current[layer.key(in: model[graph: layer.path])] = layer }
    return assignments.compactMap { assignment in
      guard let layer = current[assignment.key] else { return nil }
      var result = assignment
      result.layer = layer
      return result
    }
  }

  /// 16-bit activations came with opset 21, several formats of weights with others.
  private static func raise(
    _ model: inout Model, for assignments: [QuantizeAssignment]
  ) throws(CompressionError) {
    let needed =
      assignments.map { assignment in
        let step = assignment.step
        if step.mode == .none { return WeightCoder(step).opset }
        return step.mode == .static && step.activationType.is16Bit ? 21 : 13
      }.max() ?? 13
    guard let version = model.opsets[""], version < needed else { return }
    do {
      model = try model.raised(to: needed)
    } catch {
      throw .model("\(error)")
    }
  }
}
