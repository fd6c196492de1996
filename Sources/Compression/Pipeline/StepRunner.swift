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
    case .quantize(let step): return step
    case .shareWeights, .lowRank, .merge, .equalize:
      throw .unsupported("\(path), a step of a later version")
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

  /// - Parameter begin: called before each step with its number.
  /// - Throws: `CompressionError`; `.verification` when a step's result does not run.
  func apply(
    _ steps: [Recipe.Step], to reference: Model, begin: (Int) throws(CompressionError) -> Void
  ) throws(CompressionError) -> (model: Model, ledger: LayerLedger) {
    var model = reference
    var ledger = LayerLedger(LayerScan(reference), reference.graph)
    for (index, step) in steps.enumerated() {
      try begin(index)
      let path = place(index)
      let context = StepContext(
        path: "\(path).\(type(of: step.payload).name)", calibration: calibration, others: others,
        resources: resources, memory: memory)
      try step.method(path: path).apply(to: &model, &ledger, context)
      ledger.endStep()
      try verify(model, path: path)
    }
    return (model, ledger)
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
