import Testing

@testable import Compression

@Suite struct SearchTests {
  /// A model of layers whose losses add up, and are `factor` times what was estimated.
  private final class FakeJudge: CandidateJudge {
    let space: SearchSpace
    var factor = 1.0
    /// Trials of this number and above fail; the original is number 0.
    var failsFrom = Int.max
    var error = CompressionError.model("node 'a' overflows")
    var isMeasured = true
    private(set) var judged: [[Int]] = []

    init(_ space: SearchSpace) { self.space = space }

    func judge(_ steps: [Recipe.Step], rows: Int?) throws(CompressionError) -> (quality: Quality, cost: Cost?)
    {
      var choices = space.original
      for case .prune(let step) in steps {
        for name in step.selection.layers ?? [] {
          let layer = space.layers.firstIndex { $0.layer == name }!
          choices[layer] = space.layers[layer].options.firstIndex { option in
            guard case .prune(let own)? = option.step else { return false }
            return own.sparsity == step.sparsity
          }!
        }
      }
      judged.append(choices)
      if judged.count > failsFrom { throw error }
      let cost = Cost(
        fileBytes: 100 + space.bytes(choices), p50Microseconds: [1: 50 + space.microseconds(choices)])
      return (SearchTests.quality(space.loss(choices) * factor), isMeasured ? cost : nil)
    }
  }

  private static func quality(_ loss: Double) -> Quality {
    let comparison = Comparison(
      samples: 100, isIdentical: loss == 0, agreement: 1 - loss, cosine: 1, rmse: 0, maximumError: 0,
      changedSamples: [])
    return Quality(
      metric: MetricResult(name: .accuracy, value: 1 - loss, samples: 100), comparison: comparison, loss: loss
    )
  }

  private static func prune(_ sparsity: Double) -> Recipe.Step { .prune(PruneStep(sparsity: sparsity)) }

  /// Six layers, each as it is, half and four fifths pruned; later layers are dearer and more delicate.
  private static let space = SearchSpace(
    layers: (1...6).map { index in
      let size = Double(index)
      return LayerOptions(
        layer: "layer\(index)",
        options: [
          LayerOption(name: "float32", loss: 0, microseconds: 10 * size, bytes: 100 * index),
          LayerOption(
            name: "half", step: prune(0.5), loss: 0.001 * size, microseconds: 6 * size, bytes: 60 * index),
          LayerOption(
            name: "most", step: prune(0.8), loss: 0.004 * size * size, microseconds: 3 * size,
            bytes: 30 * index),
        ])
    })

  private func allChoices(_ count: Int) -> [[Int]] {
    count == 0 ? [[]] : allChoices(count - 1).flatMap { head in (0..<3).map { head + [$0] } }
  }

  private func search(
    _ judge: FakeJudge, _ goal: SearchGoal, trials: Int = 24, secondsATrial: Double = 0,
    finishAfter: Int = .max,
    seeds: [[Int]] = [], beginnings: [[Recipe.Step]] = []
  ) throws -> SearchReport {
    var run = SearchRun(space: judge.space, goal: goal, mostTrials: trials, budgetSeconds: 25)
    run.seeds = seeds
    run.beginnings = beginnings
    return try run.run(
      judge, elapsed: { Double(judge.judged.count) * secondsATrial },
      shouldFinish: { judge.judged.count >= finishAfter })
  }

  /// Whole-model steps come before those of the best candidate, once the plain trials are over.
  @Test func beginningsAreTriedBeforeTheBestSteps() throws {
    let judge = FakeJudge(Self.space)
    let beginnings = [0.3, 0.5].map { [Recipe.Step.prune(.channels($0))] }
    let report = try search(judge, SearchGoal(maxLoss: 0.03), beginnings: beginnings)
    let plain = report.trials.dropLast(2).filter { ($0.quality?.loss ?? 1) <= 0.03 + 1e-9 }
    let best = try #require(
      plain.min { ($0.cost?.geometricMean ?? .infinity) < ($1.cost?.geometricMean ?? .infinity) })
    for (trial, beginning) in zip(report.trials.suffix(2), beginnings) {
      #expect(trial.steps == beginning.map(ReportedStep.init) + best.steps)
    }
    // A bolder one is not tried once a milder one loses too much.
    let strict = FakeJudge(Self.space)
    strict.failsFrom = 1
    let failed = try search(strict, SearchGoal(maxLoss: 0.03), trials: 10, beginnings: beginnings)
    #expect(failed.trials.last?.steps == beginnings[0].map(ReportedStep.init))
    #expect(failed.chosen == 0)
  }

  /// What no option is about is treated alike in every candidate, and once by itself.
  @Test func everyCandidateEndsWithTheClosing() throws {
    var space = Self.space
    space.closing = [
      Recipe.Step.quantize(QuantizeStep(activations: QuantizeStep.Activations.none)).selecting(["table"])
    ]
    #expect(space.steps(space.original).isEmpty)
    let report = try search(FakeJudge(space), SearchGoal(maxLoss: 0.03))
    let closing = space.closing.map(ReportedStep.init)
    #expect(report.trials[1].steps == closing)
    #expect(report.trials.count > 3)
    #expect(
      report.trials.dropFirst(2).allSatisfy { $0.steps.count > 1 && $0.steps.suffix(1) == closing[...] })
  }

  @Test func aSpeedUpIsALimitOfTheMean() throws {
    var recipe = Recipe(steps: [])
    recipe.constraints.minSpeedup = 2
    let cost = Cost(fileBytes: 10, p50Microseconds: [1: 10, 8: 40])
    let goal = SearchGoal(recipe, (Self.quality(0), cost), fileBytes: 10)
    #expect(goal.isMet(by: Cost(fileBytes: 10, p50Microseconds: [1: 8, 8: 12])))
    #expect(!goal.isMet(by: Cost(fileBytes: 10, p50Microseconds: [1: 8, 8: 13])))
    #expect(!goal.isMet(by: nil))
  }

  @Test func withoutLimitsTheCheapestIsTaken() throws {
    let judge = FakeJudge(Self.space)
    let report = try search(judge, SearchGoal())
    #expect(judge.judged == [[0, 0, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]])
    #expect(report.chosen == 1)
    #expect(report.pareto == [0, 1])
    #expect(!report.isStopped)
    #expect(report.trials[1].steps.count == 1)
  }

  /// Estimates that are right, too low and too high.
  @Test(arguments: [1.0, 3, 0.2], [SearchGoal.Objective.latency, .size])
  func nearTheBestOfAll(factor: Double, objective: SearchGoal.Objective) throws {
    let judge = FakeJudge(Self.space)
    judge.factor = factor
    let goal = SearchGoal(objective: objective, maxLoss: 0.03)
    let report = try search(judge, goal)
    let chosen = report.trials[report.chosen]
    #expect(try #require(chosen.quality).loss <= 0.03 + 1e-9)
    let fake = FakeJudge(Self.space)
    fake.factor = factor
    var best = Double.infinity
    for choices in allChoices(6) {
      let (quality, cost) = try fake.judge(Self.space.steps(choices), rows: nil)
      if quality.loss <= 0.03 + 1e-9 { best = min(best, goal.value(of: cost)) }
    }
    #expect(goal.value(of: chosen.cost) <= best * (factor == 1 ? 1 + 1e-9 : 1.05))
  }

  @Test func limitsOnSizeAreKept() throws {
    let goal = SearchGoal(objective: .latency, maxLoss: 0.25, maxBytes: 1000)
    let report = try search(FakeJudge(Self.space), goal)
    let chosen = report.trials[report.chosen]
    #expect(report.chosen > 0)
    #expect(try #require(chosen.cost).fileBytes <= 1000)
    #expect(try #require(chosen.quality).loss <= 0.25 + 1e-9)
  }

  @Test func whatCannotBeKeptGivesTheOriginal() throws {
    let judge = FakeJudge(Self.space)
    judge.factor = 1e6
    let report = try search(judge, SearchGoal(maxLoss: 0.01))
    #expect(report.chosen == 0)
    #expect(report.pareto.first == 0)
    #expect(report.trials.count > 2)
    let tooSmall = try search(FakeJudge(Self.space), SearchGoal(maxBytes: 10))
    #expect(tooSmall.chosen == 0)
  }

  @Test func failuresAreReportedAndTheOriginalStays() throws {
    let judge = FakeJudge(Self.space)
    judge.failsFrom = 1
    let report = try search(judge, SearchGoal(maxLoss: 0.03))
    #expect(report.chosen == 0)
    #expect(report.pareto == [0])
    #expect(report.trials.dropFirst().allSatisfy { $0.failure == "node 'a' overflows" && $0.quality == nil })
    #expect(report.trials.count >= 2)
  }

  @Test func cancellingIsNoFailure() {
    let judge = FakeJudge(Self.space)
    judge.failsFrom = 2
    judge.error = .cancelled
    #expect(throws: CompressionError.cancelled) { try search(judge, SearchGoal(maxLoss: 0.03)) }
  }

  @Test func theOriginalMustRun() {
    let judge = FakeJudge(Self.space)
    judge.failsFrom = 0
    #expect(throws: CompressionError.model("node 'a' overflows")) { try search(judge, SearchGoal()) }
  }

  @Test func stoppedSearchesKeepTheBest() throws {
    let judge = FakeJudge(Self.space)
    let report = try search(judge, SearchGoal(maxLoss: 0.03), finishAfter: 2)
    #expect(report.isStopped)
    #expect(report.trials.count == 2)
    #expect(report.chosen == 1)
  }

  @Test func whatIsKnownCountsWhenTheTimeIsOver() throws {
    let seeds = [[Int](repeating: 1, count: 6), [Int](repeating: 2, count: 6)]
    let goal = SearchGoal(objective: .size, maxLoss: 0.03)
    let stopped = try search(FakeJudge(Self.space), goal, finishAfter: 1, seeds: seeds)
    #expect(stopped.isStopped)
    #expect(stopped.trials.count == 3)
    #expect(stopped.chosen == 1)
    let late = try search(FakeJudge(Self.space), goal, secondsATrial: 100, seeds: seeds)
    #expect(!late.isStopped)
    #expect(late.trials.count == 3)
  }

  @Test func budgetsEndTheSearch() throws {
    let slow = FakeJudge(Self.space)
    slow.factor = 3
    #expect(try search(slow, SearchGoal(maxLoss: 0.03), secondsATrial: 10).trials.count == 3)
    let few = FakeJudge(Self.space)
    few.factor = 3
    #expect(try search(few, SearchGoal(maxLoss: 0.03), trials: 2).trials.count == 2)
  }

  @Test func seedsComeFirstAndNothingTwice() throws {
    let judge = FakeJudge(Self.space)
    judge.factor = 2
    let seeds = [[Int](repeating: 1, count: 6), [Int](repeating: 0, count: 6)]
    _ = try search(judge, SearchGoal(maxLoss: 0.03), seeds: seeds)
    #expect(judge.judged[1] == seeds[0])
    #expect(Set(judge.judged).count == judge.judged.count)
  }

  @Test func candidatesWithoutCostAreNotChosen() throws {
    let judge = FakeJudge(Self.space)
    judge.isMeasured = false
    let report = try search(judge, SearchGoal(maxLoss: 0.03, maxBytes: 10_000))
    #expect(report.chosen == 0)
    #expect(report.pareto == [0])
  }

  @Test func emptyModelsHaveNothingToChoose() throws {
    let report = try search(FakeJudge(SearchSpace(layers: [])), SearchGoal(maxLoss: 0.1))
    #expect(report.chosen == 0)
    #expect(report.trials.count == 1)
  }

  @Test func repairTakesBackTheWorstFirst() {
    // Loss by saved microsecond of the third option: 0.004·n²/7n grows with the layer.
    var repair = GreedyRepair([2, 2, 0, 2, 2, 2], in: Self.space, objective: .latency)
    #expect(repair.next() == [2, 2, 0, 2, 2, 0])
    #expect(repair.next() == [2, 2, 0, 0, 0, 0])
    #expect(repair.next() == nil)
    var nothing = GreedyRepair(Self.space.original, in: Self.space, objective: .size)
    #expect(nothing.next() == nil)
  }

  @Test func alikeLayersShareAStep() {
    let steps = Self.space.steps([1, 2, 1, 0, 0, 2])
    let layers = steps.map { step -> [String] in
      guard case .prune(let prune) = step else { return [] }
      return prune.selection.layers ?? []
    }
    #expect(layers == [["layer1", "layer3"], ["layer2", "layer6"]])
    #expect(Self.space.steps(Self.space.original).isEmpty)
  }

  @Test func sensitivitiesAreAgainstTheOriginal() {
    let all = Self.space.sensitivities
    #expect(all.count == 12)
    #expect(
      all[3]
        == LayerSensitivity(
          layer: "layer2", option: "most", loss: 0.016, savedMicroseconds: 14, savedBytes: 140))
  }

  @Test func histogramsCoverBothTensors() throws {
    let pair = try #require(WeightHistogram.pair(before: [-1, 0, 1, .nan], after: [0, 0, 2]))
    #expect(pair.before.low == -1 && pair.before.high == 2)
    #expect(pair.before.counts.reduce(0, +) == 3)
    #expect(pair.after.counts[21] == 2 && pair.after.counts[63] == 1)
    #expect(WeightHistogram.pair(before: [.infinity], after: []) == nil)
    let flat = try #require(WeightHistogram.pair(before: [5, 5], after: [5]))
    #expect(flat.before.counts[0] == 2)
    let wide = try #require(WeightHistogram.pair(before: [-.greatestFiniteMagnitude], after: [3e38]))
    #expect(wide.after.counts.reduce(0, +) == 1)
  }
}
