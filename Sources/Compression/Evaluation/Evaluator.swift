import Engine
import Glibc
import Tensors

/// Judges models on samples; the same code before and after a compression, and for requests to evaluate.
public enum Evaluator {
  static let rowsPerCall = 64

  /// How well `program` fits the labels of `dataset`.
  /// - Parameter metric: nil for accuracy.
  /// - Throws: `CompressionError.dataset` when the dataset does not fit the model or the metric, `.model` when the
  ///   model fails, `.cancelled`.
  public static func evaluate(
    _ program: Program, _ dataset: Dataset, metric: Metric?, threads: Int = 1,
    progress: @escaping (CompressionProgress) -> Bool = { _ in true }
  ) throws(CompressionError) -> MetricResult {
    let meter = ProgressMeter(progress)
    try meter.begin(.evaluate, 0...1)
    let resources = Resources(team: ThreadTeam(threads: threads), meter: meter)
    var score = try TaskScore(metric ?? .accuracy, dataset)
    let runner = ModelRunner(program, resources)
    let binding = try DatasetBinding(dataset, program.inputs)
    for range in binding.batches(of: rowsPerCall) {
      let outputs = try binding.rowsLeading(runner.run(binding.inputs(range)))
      try score.add(try firstOutput(outputs), rows: range)
      try meter.advance(to: Double(range.upperBound) / Double(binding.rows))
    }
    return score.result
  }

  /// The same for a reference that is asked once.
  static func compare(
    _ reference: ModelRunner, _ candidate: ModelRunner, _ dataset: Dataset, metric: Metric?,
    _ meter: ProgressMeter
  ) throws(CompressionError) -> PairedEvaluation {
    try compare(ReferenceOutputs(reference, dataset), candidate, metric: metric, meter)
  }

  /// How `candidate` differs from the original, and how well each fits the labels.
  /// - Parameters:
  ///   - metric: needs labels when it is a task metric; nil for accuracy where the labels allow it, else agreement,
  ///     and the cosine for outputs that decide nothing.
  ///   - rows: of the samples, from the start; nil for all.
  static func compare(
    _ reference: ReferenceOutputs, _ candidate: ModelRunner, metric: Metric?, rows: Int? = nil,
    _ meter: ProgressMeter
  ) throws(CompressionError) -> PairedEvaluation {
    let dataset = reference.dataset
    var scores: (before: TaskScore, after: TaskScore)?
    let natural: Metric = dataset.classLabels == nil ? .agreement : .accuracy
    if (metric ?? natural).needsLabels {
      let task = metric ?? natural
      scores = (try TaskScore(task, dataset), try TaskScore(task, dataset))
    }
    var comparison = OutputComparison()
    let wanted = min(rows ?? dataset.rows, dataset.rows)
    for (batch, range) in reference.batches.enumerated() where range.lowerBound < wanted {
      let inputs = try reference.binding.inputs(range)
      let before = try reference.outputs(batch, inputs)
      let after =
        candidate === reference.runner ? before : try reference.binding.rowsLeading(candidate.run(inputs))
      comparison.add(before, after, rows: range)
      try scores?.before.add(try firstOutput(before), rows: range)
      try scores?.after.add(try firstOutput(after), rows: range)
      try meter.advance(to: Double(range.upperBound) / Double(wanted))
    }
    let result = comparison.result
    let task = metric ?? (natural == .agreement && result.agreement == nil ? .cosine : natural)
    return PairedEvaluation(task, result, scores)
  }

  private static func firstOutput(_ outputs: [Tensor]) throws(CompressionError) -> Tensor {
    guard let first = outputs.first else { throw .model("the model has no outputs") }
    return first
  }
}

/// Two models on the same samples.
struct PairedEvaluation {
  var before: MetricResult
  var after: MetricResult
  var comparison: Comparison

  init(_ metric: Metric, _ comparison: Comparison, _ scores: (before: TaskScore, after: TaskScore)?) {
    self.comparison = comparison
    if let scores {
      before = scores.before.result
      after = scores.after.result
      countFlips(
        scores.before.isRight, scores.after.isRight, isFraction: metric == .accuracy || metric == .top5)
    } else {
      before = Self.ideal(metric, samples: comparison.samples)
      after = MetricResult(name: metric, value: comparison.value(of: metric), samples: comparison.samples)
      if metric == .agreement, let agreement = comparison.agreement {
        let hits = Int((agreement * Double(comparison.samples)).rounded())
        let interval = PairedStatistics.wilsonInterval(successes: hits, of: comparison.samples)
        after.low = interval?.low
        after.high = interval?.high
      }
    }
  }

  private mutating func countFlips(_ before: [Bool], _ after: [Bool], isFraction: Bool) {
    if !isFraction { return }
    let improved = zip(before, after).filter { !$0 && $1 }.count
    let worsened = zip(before, after).filter { $0 && !$1 }.count
    comparison.wrongToRight = improved
    comparison.rightToWrong = worsened
    comparison.mcnemarP = PairedStatistics.mcnemar(improved: improved, worsened: worsened)
  }

  /// What a model scores against itself.
  private static func ideal(_ metric: Metric, samples: Int) -> MetricResult {
    switch metric {
    case .agreement, .cosine: MetricResult(name: metric, value: 1, samples: samples)
    case .kl: MetricResult(name: metric, value: 0, samples: samples)
    default: MetricResult(name: metric, value: nil, samples: samples)
    }
  }

  /// How much worse the metric got; negative when it got better, nil when it cannot be said. An SQNR counts as the
  /// noise's part of the signal, by amplitude.
  var drop: Double? {
    // An SQNR without a value is infinite: nothing was lost.
    if comparison.isIdentical { return 0 }
    guard let after = after.value else { return nil }
    // Sequences that are read alike are alike, wherever their symbols begin.
    if self.after.name == .agreement, let read = comparison.sequenceAgreement { return 1 - max(after, read) }
    if self.after.name == .sqnr { return pow(10, -after / 20) }
    guard let before = before.value else { return nil }
    return self.after.name.higherIsBetter ? before - after : after - before
  }
}
