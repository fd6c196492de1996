import Engine
import GraphIR
import Tensors

/// Carries out recipes.
public enum Compressor {
  /// Normalises the model, applies the recipe's steps with a check after each, and measures the result against
  /// the original on this machine.
  ///
  /// Equal inputs give equal models, bit for bit, for any number of threads, where the kernels of one instruction set
  /// compute the statistics. A search decides by what it measures, and a preset leaves out what is clearly slower than
  /// the original, so that another machine may choose otherwise; the steps in the report give the result again.
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
    try run.chooseSteps()
    try run.applySteps()
    var output = try run.measured()
    output.report.seconds = Double((ContinuousClock.now - start) / .seconds(1))
    try meter.begin(.measure, 1...1)
    return output
  }
}

/// The state of one compression between its stages.
struct CompressionRun {
  /// What the stages take of the whole.
  private static let chosenAt = 0.4
  private static let appliedAt = 0.5

  private let input: CompressionInput
  private let resources: Resources
  private let calibration: Dataset?
  private let original: ModelRunner
  private let samples: RunSamples
  /// What the original answers to the samples; nil when there are none.
  private let outputs: ReferenceOutputs?
  /// The original after normalisation.
  private var reference: Model
  /// Of text that its exporter left.
  private var traceBytes = 0
  private var choice: StepChoice?
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
    samples = try RunSamples(input, calibration, original)
    if let dataset = samples.dataset {
      outputs = try ReferenceOutputs(original, dataset, areReal: samples.areReal)
    } else {
      outputs = nil
    }
    reference = input.model
    model = input.model
    ledger = LayerLedger(input.model)
  }

  /// A recipe that changes nothing leaves the model as it is, so that it is measured as it is.
  mutating func normalize() throws(CompressionError) {
    if input.recipe.preset == .audit { return }
    traceBytes = ExporterTraces.remove(from: &reference.graph)
    reference = try Normalizer.normalized(reference)
    try runner.verify(reference, path: "normalisation")
  }

  mutating func chooseSteps() throws(CompressionError) {
    let judge = ModelJudge(
      input, reference: reference, runner, evaluator, measuresCost: input.recipe.search != nil, resources)
    choice = try StepChoice(
      input, judge, samples, hasCalibration: calibration != nil, 0.05...Self.chosenAt)
  }

  mutating func applySteps() throws(CompressionError) {
    guard let choice, !choice.steps.isEmpty else { return }
    if let built = choice.built {
      (model, ledger) = (built.model, built.ledger)
    } else {
      let start = input.recipe.search == nil && input.recipe.preset == nil ? 0.05 : Self.chosenAt
      let share = (Self.appliedAt - start) / Double(choice.steps.count)
      let stage: CompressionProgress.Stage = calibration == nil ? .compress : .calibrate
      let meter = resources.meter
      (model, ledger) = try runner.apply(choice.steps, to: reference) { index throws(CompressionError) in
        let begin = start + share * Double(index)
        try meter.begin(stage, begin...(begin + share))
      }
    }
    if FloatWidening.isNeeded(input.model) && !FloatWidening.isNeeded(reference) {
      ledger.notes.append("The model computed in 16-bit floats and computes in float32 now.")
    }
    if traceBytes > 0 {
      ledger.notes.append(
        "\(traceBytes) bytes of stack traces that the exporter wrote into nodes were left out.")
    }
    model.metadata = Provenance.metadata(
      of: input, choice.steps, ledger, replacing: input.model.metadata, isChanged: true)
  }

  private var runner: StepRunner {
    let recipe = input.recipe
    let word = recipe.preset != nil ? "preset" : recipe.search != nil ? "search" : nil
    return StepRunner(
      calibration: calibration, others: input.others, samples: samples, resources: resources,
      memory: input.calibrationMemory, place: { word ?? "steps[\($0)]" }, storage: recipe.storage)
  }

  /// Nil when there is nothing to run models on.
  private var evaluator: CandidateEvaluator? {
    outputs.map { outputs in
      CandidateEvaluator(
        outputs, metric: metric, batches: batches, measuresMemory: input.recipe.constraints.memoryMax != nil,
        resources)
    }
  }

  /// Nil for the one that suits the samples.
  private var metric: Metric? {
    if samples.judges { return input.recipe.evaluation?.metric }
    // Labels of calibration data are not what the recipe judges by.
    return outputs?.dataset.labels == nil ? nil : .agreement
  }

  private var batches: [Int] { input.recipe.evaluation?.batches ?? Recipe.Evaluation.defaultBatches }

  func measured() throws(CompressionError) -> CompressionOutput {
    let file = try model.file()
    let before = try measurements(input.model, fileBytes: input.fileBytes, file: input.model.file())
    let after = try measurements(model, fileBytes: file.count, file: file)
    var draft = ReportDraft(
      input: input, choice: choice ?? StepChoice(), before: before, after: after, samples: samples)
    if let outputs {
      let candidate = try ModelRunner(model, resources)
      try resources.meter.begin(.evaluate, Self.appliedAt...0.75)
      draft.paired = try Evaluator.compare(outputs, candidate, metric: metric, resources.meter)
      try resources.meter.begin(.evaluate, 0.75...0.8)
      draft.layers = try LayerComparison(reference, model, ledger, outputs.dataset, resources)
      try resources.meter.begin(.measure, 0.8...1)
      draft.latency = try LatencyProbe.compare(
        original, candidate, outputs.binding, batches: batches, resources.meter)
      draft.kernels = try candidate.kernels()
    }
    return CompressionOutput(model: model, file: file, report: draft.report(ledger))
  }

  private func measurements(
    _ model: Model, fileBytes: Int, file: [UInt8]
  ) throws(CompressionError) -> Measurements {
    let size = ModelSize(model)
    let gzip = file.withUnsafeBytes { Zlib.gzipByteCount($0) }
    try resources.meter.tick()
    var measurements = Measurements(
      fileBytes: fileBytes, gzipBytes: gzip ?? file.count, parameters: size.parameters,
      nonzeros: size.nonzeros, macs: nil, effectiveMACs: nil, latency: [], metric: nil)
    measurements.residentBytes = try ResidentMemory.bytes(of: file, samples.binding, resources)
    return measurements
  }
}
