/// Looks for the cheapest candidate within the limits, judging whole candidates.
///
/// Estimates for single layers propose, measurements of whole models decide: a knapsack gives the best choice for a
/// budget of estimated loss, the budget is bisected until the measured loss is just allowed, and a candidate that
/// still loses too much is repaired by taking layers back. The original is always judged first and is the result
/// when nothing else keeps the limits.
struct SearchRun {
  var space: SearchSpace
  var goal: SearchGoal
  /// The original counts as one.
  var mostTrials = 24
  var budgetSeconds = 300.0
  /// Choices that the judge knows already, such as one treatment for all layers: they count whatever time is left.
  var seeds: [[Int]] = []

  /// - Parameters:
  ///   - elapsed: seconds since the search began.
  ///   - shouldFinish: true to end with the best so far.
  ///   - progress: called before each trial with the number of trials so far.
  /// - Throws: what the judge throws for the original; `.cancelled`.
  func run(
    _ judge: any CandidateJudge, elapsed: () -> Double, shouldFinish: () -> Bool,
    progress: (Int) throws(CompressionError) -> Void = { (_: Int) throws(CompressionError) in }
  ) throws(CompressionError) -> SearchReport {
    let start = elapsed()
    let original = try judge.judge([], rows: nil)
    var state = SearchState(self, original, seconds: elapsed() - start)
    var proposals = SearchProposals(self, original.cost)
    var isStopped = false
    while state.trials.count < mostTrials {
      isStopped = isStopped || shouldFinish()
      let hasTime = !isStopped && elapsed() < budgetSeconds
      guard let choices = hasTime ? proposals.next(state) : proposals.nextSeed(state) else { break }
      try progress(state.trials.count)
      let begin = elapsed()
      do {
        let (quality, cost) = try judge.judge(space.steps(choices), rows: nil)
        state.add(choices, quality, cost, seconds: elapsed() - begin)
      } catch .cancelled {
        throw .cancelled
      } catch {
        state.add(choices, failure: error.description, seconds: elapsed() - begin)
      }
      proposals.learn(state)
    }
    return SearchReport(
      trials: state.trials, pareto: state.pareto, chosen: state.chosen, isStopped: isStopped,
      budgetSeconds: budgetSeconds)
  }
}

/// What has been judged so far.
struct SearchState {
  private let space: SearchSpace
  private let goal: SearchGoal
  private(set) var trials: [Trial]
  /// Of each trial.
  private(set) var choices: [[Int]]

  init(_ run: SearchRun, _ original: (quality: Quality, cost: Cost?), seconds: Double) {
    space = run.space
    goal = run.goal
    trials = [Trial(steps: [], quality: original.quality, cost: original.cost, seconds: seconds)]
    choices = [run.space.original]
  }

  mutating func add(_ choice: [Int], _ quality: Quality, _ cost: Cost?, seconds: Double) {
    let isNumber = quality.loss.isFinite && (cost?.p50Microseconds.values.allSatisfy(\.isFinite) ?? true)
    guard isNumber else {
      add(choice, failure: "its outputs are no finite numbers", seconds: seconds)
      return
    }
    choices.append(choice)
    trials.append(Trial(steps: steps(choice), quality: quality, cost: cost, seconds: seconds))
  }

  mutating func add(_ choice: [Int], failure: String, seconds: Double) {
    choices.append(choice)
    trials.append(Trial(steps: steps(choice), failure: failure, seconds: seconds))
  }

  private func steps(_ choice: [Int]) -> [ReportedStep] { space.steps(choice).map(ReportedStep.init) }

  func trial(of choice: [Int]) -> Int? { choices.firstIndex(of: choice) }

  func isTried(_ choice: [Int]) -> Bool { trial(of: choice) != nil }

  func keepsQuality(_ trial: Int) -> Bool { trials[trial].quality.map(goal.isMet) ?? false }

  /// Of the trials that lose too much the one that loses least.
  var leastBroken: Int? {
    let broken = trials.indices.compactMap { trial -> (loss: Double, trial: Int)? in
      keepsQuality(trial) ? nil : trials[trial].quality.map { ($0.loss, trial) }
    }
    return broken.min { $0 < $1 }?.trial
  }

  /// The trial with the least objective among those that keep every limit; else the original.
  var chosen: Int {
    let passed = trials.indices.filter { keepsQuality($0) && goal.isMet(by: trials[$0].cost) }
    return passed.min { (goal.value(of: trials[$0].cost), $0) < (goal.value(of: trials[$1].cost), $1) } ?? 0
  }

  /// Of loss, bytes and latency; the original stays in it.
  var pareto: [Int] {
    let points = trials.map { trial -> [Double] in
      guard let quality = trial.quality, let cost = trial.cost else { return [.nan, .nan, .nan] }
      return [quality.loss, Double(cost.fileBytes), cost.geometricMean ?? .infinity]
    }
    return ParetoSet.indices(of: points, keeping: [0])
  }
}
