import GraphIR

/// Builds candidates from the normalised model and measures each as a whole.
final class ModelJudge: CandidateJudge {
  /// What steps made of the model.
  struct Candidate {
    var steps: [Recipe.Step]
    var model: Model
    var ledger: LayerLedger
    var runner: ModelRunner
  }

  let reference: Model
  /// Nil when there is nothing to run models on: they are only built.
  let evaluator: CandidateEvaluator?
  let resources: Resources
  private let steps: StepRunner
  private let original: CompressionInput
  private let measuresCost: Bool
  /// By the steps' text.
  private var known: [String: (quality: Quality, cost: Cost?)] = [:]
  /// The one that was built last.
  private(set) var last: Candidate?

  init(
    _ original: CompressionInput, reference: Model, _ steps: StepRunner, _ evaluator: CandidateEvaluator?,
    measuresCost: Bool, _ resources: Resources
  ) {
    self.original = original
    self.reference = reference
    self.steps = steps
    self.evaluator = evaluator
    self.measuresCost = measuresCost
    self.resources = resources
  }

  func judge(
    _ steps: [Recipe.Step], rows: Int?
  ) throws(CompressionError) -> (quality: Quality, cost: Cost?) {
    let text = Self.text(steps)
    if rows == nil, let result = known[text] { return result }
    let result = try measure(steps, rows)
    if rows == nil { known[text] = result }
    return result
  }

  /// Takes the result of `steps` for that of `others`, which are known to do the same.
  func remember(_ steps: [Recipe.Step], as others: [Recipe.Step]) {
    if let result = known[Self.text(others)] { known[Self.text(steps)] = result }
  }

  /// The model after `steps`; the last one is kept.
  func build(_ steps: [Recipe.Step]) throws(CompressionError) -> Candidate {
    if let last, last.steps == steps { return last }
    last = nil
    let meter = resources.meter
    let (model, ledger) = try self.steps.apply(steps, to: reference) { _ throws(CompressionError) in
      try meter.tick()
    }
    let candidate = Candidate(
      steps: steps, model: model, ledger: ledger, runner: try ModelRunner(model, resources))
    last = candidate
    return candidate
  }

  private func measure(
    _ steps: [Recipe.Step], _ rows: Int?
  ) throws(CompressionError) -> (quality: Quality, cost: Cost?) {
    guard let evaluator else { throw .dataset("there are no samples to judge candidates by") }
    if steps.isEmpty {
      let runner = evaluator.reference.runner
      let quality = try evaluator.quality(of: runner, rows: rows)
      if !measuresCost { return (quality, nil) }
      let file = try original.model.file()
      var cost = try evaluator.cost(of: runner, file: file)
      cost.fileBytes = original.fileBytes
      return (quality, cost)
    }
    let candidate = try build(steps)
    let quality = try evaluator.quality(of: candidate.runner, rows: rows)
    let cost = measuresCost ? try evaluator.cost(of: candidate.runner, file: candidate.model.file()) : nil
    return (quality, cost)
  }

  private static func text(_ steps: [Recipe.Step]) -> String {
    JSONValue.array(steps.map(\.json)).canonicalText
  }
}

extension Model {
  /// The bytes of the model's file.
  func file() throws(CompressionError) -> [UInt8] {
    do {
      return try serialized()
    } catch {
      throw .model("\(error)")
    }
  }
}
