import Engine
import GraphIR

/// Looks for the steps that suit a model best on this machine.
///
/// Every option is first taken for all layers at once: these models tell what each layer saves, and how much noise it
/// adds. How much a layer's noise matters is seen by disturbing one layer after another. From both a `SearchSpace` is
/// made, which `SearchRun` chooses whole candidates from.
struct RecipeSearch {
  /// Of the time, for the options of all layers at once, and for all of that and disturbing single layers.
  private static let optionShare = 0.4
  private static let sensitivityShare = 0.55

  struct Outcome {
    var report: SearchReport
    var sensitivities: [LayerSensitivity]
    var notes: [String]
    /// Of the candidate that was chosen.
    var steps: [Recipe.Step]
    /// By layer, for people.
    var decisions: [String: String]
  }

  private let judge: ModelJudge
  private let evaluator: CandidateEvaluator
  private let input: CompressionInput
  private let search: Recipe.Search
  private let hasCalibration: Bool
  private let start = ContinuousClock.now

  /// - Throws: `CompressionError.dataset` when there is nothing to run models on.
  init(
    _ judge: ModelJudge, _ input: CompressionInput, _ search: Recipe.Search, hasCalibration: Bool
  ) throws(CompressionError) {
    guard let evaluator = judge.evaluator else {
      throw .dataset(
        "search: the model's inputs cannot be made up; name a dataset in evaluation or calibration")
    }
    self.judge = judge
    self.evaluator = evaluator
    self.input = input
    self.search = search
    self.hasCalibration = hasCalibration
  }

  private var elapsed: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// - Throws: `CompressionError` when the original cannot be judged; `.cancelled`.
  func run(_ span: ClosedRange<Double>) throws(CompressionError) -> Outcome {
    let original = try judge.judge([], rows: nil)
    let goal = SearchGoal(input.recipe, original, fileBytes: input.fileBytes)
    var sensitivity = LayerSensitivities(judge, evaluator)
    try sensitivity.close(goal)
    var notes: [String] = []
    let facts = ModelFacts(judge.reference)
    let entries = OptionCatalog.entries(facts, hasCalibration: hasCalibration)
    for (index, entry) in entries.enumerated() {
      try advance(span, elapsed / search.seconds)
      if index > 0 && (input.shouldFinish() || elapsed > search.seconds * Self.optionShare) {
        notes.append("The search had no time for option \(entry.name).")
        continue
      }
      do {
        try sensitivity.measure(entry)
      } catch .cancelled {
        throw .cancelled
      } catch {
        notes.append("Option \(entry.name) was left out: \(error.description).")
      }
    }
    try sensitivity.disturb { [self] in
      input.shouldFinish() || elapsed > search.seconds * Self.sensitivityShare
    }
    let (space, seeds) = sensitivity.space(loss: original.quality)
    let run = SearchRun(
      space: space, goal: goal, mostTrials: search.trials, budgetSeconds: search.seconds, seeds: seeds,
      beginnings: OptionCatalog.beginnings(facts, hasCalibration: hasCalibration))
    let report = try run.run(
      judge, elapsed: { elapsed }, shouldFinish: input.shouldFinish,
      progress: { (_: Int) throws(CompressionError) in try advance(span, elapsed / search.seconds) })
    let steps = report.trials[report.chosen].steps.map(\.step)
    if let note = Self.shortfall(report, goal) { notes.append(note) }
    return Outcome(
      report: report, sensitivities: space.sensitivities, notes: notes, steps: steps,
      decisions: Self.decisions(steps, space))
  }

  /// What comes nearest to the limits, where nothing but the original was left to choose; nil for any other choice.
  private static func shortfall(_ report: SearchReport, _ goal: SearchGoal) -> String? {
    if report.chosen > 0 || report.trials.count < 2 { return nil }
    let costs = report.trials.filter { $0.quality.map(goal.isMet) ?? false }.compactMap(\.cost)
    let bytes = costs.map(\.fileBytes).min().map(Verdict.bytes) ?? "unknown"
    let microseconds = costs.compactMap(\.smallestBatch).min().map { "\(Verdict.short($0)) µs" } ?? "unknown"
    return
      "None of \(report.trials.count - 1) candidates keeps every limit and is better than the original: with the "
      + "quality asked for, the smallest file is \(bytes) and the fastest call \(microseconds)."
  }

  private func advance(_ span: ClosedRange<Double>, _ fraction: Double) throws(CompressionError) {
    let place = span.lowerBound + (span.upperBound - span.lowerBound) * min(max(fraction, 0), 1)
    try judge.resources.meter.begin(.search, place...place)
  }

  private static func decisions(_ steps: [Recipe.Step], _ space: SearchSpace) -> [String: String] {
    var decisions: [String: String] = [:]
    for layer in space.layers {
      let chosen = layer.options.first { option in
        guard let step = option.step else { return false }
        return steps.contains {
          $0 == step.selecting($0.payload.selection.layers ?? []) && $0.names(layer.layer)
        }
      }
      guard let option = chosen ?? layer.options.first, let original = layer.options.first else { continue }
      decisions[layer.layer] =
        option.step == nil
        ? "left as it is"
        : "\(option.name): estimated loss \(Verdict.short(option.loss)), saves "
          + "\(Verdict.bytes(max(0, original.bytes - option.bytes))) and "
          + "\(Verdict.short(original.microseconds - option.microseconds)) µs a call"
    }
    return decisions
  }
}

extension Recipe.Step {
  fileprivate func names(_ layer: String) -> Bool { payload.selection.layers?.contains(layer) == true }
}
