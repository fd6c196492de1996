import GraphIR
import Tensors

/// What a step does to a model.
protocol CompressionMethod {
  /// - Throws: `CompressionError.recipe` for what does not fit the model or the data, naming the step's path.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError)
}

extension Recipe.Step {
  func method(path: String) throws(CompressionError) -> any CompressionMethod {
    switch self {
    case .prune(let step): return step
    case .quantize(let step): return QuantizationPass(steps: [(step, path)])
    case .shareWeights(let step): return step
    case .lowRank(let step): return step
    case .merge(let step): return step
    case .equalize(let step): return step
    }
  }
}

/// Applies steps to a normalised model, with a check after each: what a recipe and every candidate of a search go
/// through.
struct StepRunner {
  var calibration: Dataset?
  var others: [String: Model]
  /// Samples that the check runs one row of.
  var samples: RunSamples
  var resources: Resources
  /// Bytes that statistics of the calibration data may take.
  var memory: Int
  /// How messages call a step.
  var place: (Int) -> String
  /// How the constants of the result are held.
  var storage = Recipe.StoragePolicy.auto

  /// - Parameter begin: called before each step with its number.
  /// - Throws: `CompressionError`; `.verification` when a step's result does not run.
  func apply(
    _ steps: [Recipe.Step], to reference: Model, begin: (Int) throws(CompressionError) -> Void
  ) throws(CompressionError) -> (model: Model, ledger: LayerLedger) {
    var model = reference
    var ledger = LayerLedger(reference)
    var index = 0
    while index < steps.count {
      let count = max(Self.quantizeSteps(steps[index...]).count, 1)
      try begin(index)
      let path = place(index)
      let context = StepContext(
        path: stepPath(index, steps), calibration: calibration, others: others, resources: resources,
        memory: memory)
      try method(steps, at: index).apply(to: &model, &ledger, context)
      ledger.endStep()
      try verify(model, path: path)
      index += count
    }
    if !steps.isEmpty, try BodyConstants.share(&model) { try verify(model, path: "storage") }
    if storage == .auto && !steps.isEmpty {
      let notes = ledger.notes.count
      try StoragePass.apply(to: &model, &ledger)
      if ledger.notes.count > notes { try verify(model, path: "storage") }
    }
    return (model, ledger)
  }

  /// Adjacent quantize steps are one method.
  private func method(
    _ steps: [Recipe.Step], at index: Int
  ) throws(CompressionError) -> any CompressionMethod {
    let joined = Self.quantizeSteps(steps[index...])
    if joined.isEmpty { return try steps[index].method(path: place(index)) }
    return QuantizationPass(
      steps: joined.enumerated().map { ($1, stepPath(index + $0, steps)) })
  }

  private func stepPath(_ index: Int, _ steps: [Recipe.Step]) -> String {
    "\(place(index)).\(type(of: steps[index].payload).name)"
  }

  /// The quantize steps that `steps` start with.
  private static func quantizeSteps(_ steps: ArraySlice<Recipe.Step>) -> [QuantizeStep] {
    var result: [QuantizeStep] = []
    for step in steps {
      guard case .quantize(let quantize) = step else { break }
      result.append(quantize)
    }
    return result
  }

  /// The model must compile and run.
  func verify(_ model: Model, path: String) throws(CompressionError) {
    do {
      let runner = try ModelRunner(model, resources)
      guard let binding = samples.binding else { return }
      _ = try runner.run(binding.inputs(binding.batches(of: 1)[0]))
    } catch .model(let reason) {
      throw .verification(step: path, reason: reason)
    }
  }
}
