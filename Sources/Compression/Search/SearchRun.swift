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
  /// Steps for the whole model that are tried before those of the best candidate, each bolder than the one before.
  var beginnings: [[Recipe.Step]] = []

  /// Of the trials and the time, for candidates without a beginning.
  private static let plainShare = 0.8

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
    if !space.closing.isEmpty { try attempt(space.closing, nil, judge, &state, elapsed) }
    var isStopped = false
    let share = beginnings.isEmpty ? 1 : Self.plainShare
    let plainTrials = Int((Double(mostTrials) * share).rounded(.up))
    while state.trials.count < plainTrials {
      isStopped = isStopped || shouldFinish()
      let hasTime = !isStopped && elapsed() < budgetSeconds * share
      guard let choices = hasTime ? proposals.next(state) : proposals.nextSeed(state) else { break }
      try progress(state.trials.count)
      try attempt(space.steps(choices), choices, judge, &state, elapsed)
      proposals.learn(state)
    }
    for beginning in beginnings where state.trials.count < mostTrials && elapsed() < budgetSeconds {
      isStopped = isStopped || shouldFinish()
      if isStopped { break }
      try progress(state.trials.count)
      try attempt(beginning + state.plainSteps, nil, judge, &state, elapsed)
      // What is bolder loses more.
      if !state.keepsQuality(state.trials.count - 1) { break }
    }
    return SearchReport(
      trials: state.trials, pareto: state.pareto, chosen: state.chosen, isStopped: isStopped,
      budgetSeconds: budgetSeconds)
  }

  /// - Parameter choice: nil for steps that are no choice for single layers.
  private func attempt(
    _ steps: [Recipe.Step], _ choice: [Int]?, _ judge: any CandidateJudge, _ state: inout SearchState,
    _ elapsed: () -> Double
  ) throws(CompressionError) {
    let begin = elapsed()
    do {
      let (quality, cost) = try judge.judge(steps, rows: nil)
      state.add(steps, choice, quality, cost, seconds: elapsed() - begin)
    } catch .cancelled {
      throw .cancelled
    } catch {
      state.add(steps, choice, failure: error.description, seconds: elapsed() - begin)
    }
  }
}

/// What has been judged so far.
struct SearchState {
  private let space: SearchSpace
  private let goal: SearchGoal
  private(set) var trials: [Trial]
  /// Of each trial; nil for one that does something to the whole model.
  private(set) var choices: [[Int]?]

  init(_ run: SearchRun, _ original: (quality: Quality, cost: Cost?), seconds: Double) {
    space = run.space
    goal = run.goal
    trials = [Trial(steps: [], quality: original.quality, cost: original.cost, seconds: seconds)]
    choices = [run.space.original]
  }

  mutating func add(
    _ steps: [Recipe.Step], _ choice: [Int]?, _ quality: Quality, _ cost: Cost?, seconds: Double
  ) {
    let isNumber = quality.loss.isFinite && (cost?.p50Microseconds.values.allSatisfy(\.isFinite) ?? true)
    guard isNumber else {
      add(steps, choice, failure: "its outputs are no finite numbers", seconds: seconds)
      return
    }
    choices.append(choice)
    trials.append(Trial(steps: steps.map(ReportedStep.init), quality: quality, cost: cost, seconds: seconds))
  }

  mutating func add(_ steps: [Recipe.Step], _ choice: [Int]?, failure: String, seconds: Double) {
    choices.append(choice)
    trials.append(Trial(steps: steps.map(ReportedStep.init), failure: failure, seconds: seconds))
  }

  /// The steps of the best choice for single layers that keeps the quality, whatever it takes; none for the original.
  var plainSteps: [Recipe.Step] {
    let best = cheapest(of: trials.indices.filter { choices[$0] != nil && keepsQuality($0) })
    return best.flatMap { choices[$0] }.map(space.steps) ?? []
  }

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
    cheapest(of: trials.indices.filter { keepsQuality($0) && goal.isMet(by: trials[$0].cost) }) ?? 0
  }

  /// Of equally cheap candidates the one that is better otherwise, so that it is one of `pareto`; then the first.
  private func cheapest(of candidates: [Int]) -> Int? {
    func rank(_ trial: Int) -> [Double] {
      let (quality, cost) = (trials[trial].quality, trials[trial].cost)
      return [
        goal.value(of: cost), quality?.loss ?? .infinity, Double(cost?.fileBytes ?? .max),
        cost?.geometricMean ?? .infinity, Double(trial),
      ]
    }
    return candidates.min { rank($0).lexicographicallyPrecedes(rank($1)) }
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
