import Engine
import GraphIR
import Tensors

/// Carries out recipes.
public enum Compressor {
  /// Normalises the model, applies the recipe's steps with a check after each, and measures the result against
  /// the original on this machine.
  ///
  /// Equal inputs give equal models, bit for bit, whatever the machine and the number of threads.
  /// - Parameter progress: called from this thread, before and after every piece of work; false cancels.
  /// - Throws: `CompressionError`.
  public static func run(
    _ input: CompressionInput, progress: @escaping (CompressionProgress) -> Bool
  ) throws(CompressionError) -> CompressionOutput {
    let meter = ProgressMeter(progress)
    let resources = Resources(team: ThreadTeam(threads: input.threads), meter: meter)
    let start = ContinuousClock.now
    var run = try CompressionRun(input, resources)
    try run.normalize()
    try run.applySteps()
    var output = try run.measured()
    output.report.seconds = Double((ContinuousClock.now - start) / .seconds(1))
    try meter.begin(.measure, 1...1)
    return output
  }
}

/// The state of one compression between its stages.
struct CompressionRun {
  private let input: CompressionInput
  private let resources: Resources
  private let calibration: Dataset?
  private let original: ModelRunner
  private let samples: RunSamples
  private let steps: [Recipe.Step]
  /// The original after normalisation.
  private var reference: Model
  private var model: Model
  private var ledger: LayerLedger

  init(_ input: CompressionInput, _ resources: Resources) throws(CompressionError) {
    self.input = input
    self.resources = resources
    try resources.meter.begin(.normalize, 0...0.05)
    if let named = input.recipe.calibration, input.calibration == nil {
      throw .dataset("the recipe names the dataset '\(named.dataset)' for calibration, but none was given")
    }
    if let named = input.recipe.evaluation, input.evaluation == nil {
      throw .dataset("the recipe names the dataset '\(named.dataset)' for evaluation, but none was given")
    }
    let wanted = input.recipe.calibration?.samples ?? Recipe.Calibration.defaultSamples
    calibration = try input.calibration?.prefix(wanted)
    original = try ModelRunner(input.model, resources)
    samples = try RunSamples(input, calibration, original.program)
    steps = input.recipe.resolvedSteps(hasCalibration: calibration != nil)
    reference = input.model
    model = input.model
    ledger = LayerLedger(input.model)
  }

  /// A recipe without steps leaves the model as it is, so that it is measured as it is.
  mutating func normalize() throws(CompressionError) {
    if steps.isEmpty { return }
    reference = try Normalizer.normalized(input.model)
    model = reference
    try runner.verify(reference, path: "normalisation")
  }

  mutating func applySteps() throws(CompressionError) {
    let share = 0.45 / Double(max(steps.count, 1))
    let stage: CompressionProgress.Stage = calibration == nil ? .compress : .calibrate
    let meter = resources.meter
    (model, ledger) = try runner.apply(steps, to: reference) { index throws(CompressionError) in
      let start = 0.05 + share * Double(index)
      try meter.begin(stage, start...(start + share))
    }
    model.metadata = Provenance.metadata(
      of: input, steps, ledger, replacing: input.model.metadata, isChanged: !steps.isEmpty)
  }

  private var runner: StepRunner {
    let hasPreset = input.recipe.preset != nil
    return StepRunner(
      calibration: calibration, others: input.others, samples: samples, resources: resources,
      memory: input.calibrationMemory, place: { hasPreset ? "preset" : "steps[\($0)]" })
  }

  func measured() throws(CompressionError) -> CompressionOutput {
    let file: [UInt8]
    do {
      file = try model.serialized()
    } catch {
      throw .model("\(error)")
    }
    let before = try measurements(input.model, fileBytes: input.fileBytes, file: nil)
    let after = try measurements(model, fileBytes: file.count, file: file)
    var draft = ReportDraft(input: input, steps: steps, before: before, after: after, samples: samples)
    if let dataset = samples.dataset, let binding = samples.binding {
      let candidate = try ModelRunner(model, resources)
      try resources.meter.begin(.evaluate, 0.5...0.75)
      let metric = samples.judges ? input.recipe.evaluation?.metric : .agreement
      draft.paired = try Evaluator.compare(original, candidate, dataset, metric: metric, resources.meter)
      try resources.meter.begin(.evaluate, 0.75...0.8)
      draft.layers = try LayerComparison(reference, model, ledger, dataset, resources)
      try resources.meter.begin(.measure, 0.8...1)
      draft.latency = try LatencyProbe.compare(original, candidate, binding, resources.meter)
      draft.kernels = try candidate.kernels()
    }
    return CompressionOutput(model: model, file: file, report: draft.report(ledger))
  }

  private func measurements(
    _ model: Model, fileBytes: Int, file: [UInt8]?
  ) throws(CompressionError) -> Measurements {
    let bytes: [UInt8]
    do {
      bytes = try file ?? model.serialized()
    } catch {
      throw .model("\(error)")
    }
    let size = ModelSize(model)
    let gzip = bytes.withUnsafeBytes { Zlib.gzipByteCount($0) }
    try resources.meter.tick()
    return Measurements(
      fileBytes: fileBytes, gzipBytes: gzip ?? bytes.count, parameters: size.parameters,
      nonzeros: size.nonzeros, macs: nil, effectiveMACs: nil, latency: [], metric: nil)
  }
}
