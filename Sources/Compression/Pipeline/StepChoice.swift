import Engine
import GraphIR

/// The steps that a recipe leads to, and how they were found.
struct StepChoice {
  var steps: [Recipe.Step] = []
  /// The model after `steps`, where it was built while choosing.
  var built: ModelJudge.Candidate?
  var search: SearchReport?
  var sensitivities: [LayerSensitivity]?
  var notes: [String] = []
  /// Why a search or a preset treats a layer so, by the layer's name.
  var decisions: [String: String] = [:]
}

extension StepChoice {
  /// - Parameters:
  ///   - steps: those of a recipe that has any.
  ///   - span: of the whole, for progress.
  init(
    _ input: CompressionInput, _ judge: ModelJudge, _ samples: RunSamples, hasCalibration: Bool,
    _ span: ClosedRange<Double>
  ) throws(CompressionError) {
    self.init()
    if let wanted = input.recipe.search {
      let outcome = try RecipeSearch(judge, input, wanted, hasCalibration: hasCalibration).run(span)
      steps = outcome.steps
      search = outcome.report
      sensitivities = outcome.sensitivities
      notes = outcome.notes
      decisions = outcome.decisions
      if !samples.areReal { notes.append("The search compared candidates on made-up inputs.") }
    } else if let preset = input.recipe.preset, preset != .audit {
      try judge.resources.meter.begin(hasCalibration ? .calibrate : .compress, span)
      var goal: SearchGoal?
      if samples.areReal {
        goal = SearchGoal(input.recipe, try judge.judge([], rows: nil).quality, promise: preset.promise)
      }
      let levels = preset.levels(ModelFacts(judge.reference), hasCalibration: hasCalibration)
      var run = PresetRun(judge, levels, goal: goal)
      let outcome = try run.run()
      steps = outcome.steps
      notes = outcome.notes
      decisions = outcome.decisions
    } else {
      steps = input.recipe.resolvedSteps(hasCalibration: hasCalibration)
    }
    if let last = judge.last, !steps.isEmpty, last.steps == steps { built = last }
  }
}
