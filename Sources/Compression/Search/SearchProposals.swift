/// Which candidate to judge next.
struct SearchProposals {
  private static let mostBudgets = 8
  private static let widening = 4.0

  private let space: SearchSpace
  private let goal: SearchGoal
  private var seeds: ArraySlice<[Int]>
  /// What the model takes beside its layers, corrected by what candidates turn out to take.
  private var otherBytes = 0
  private var otherMicroseconds = 0.0

  /// The budget of estimated loss that the last proposal came from; nil while there was none.
  private var budget: Double?
  private var budgets = 0
  /// The largest budget that kept the quality, and the smallest that did not.
  private var kept: Double?
  private var broken: Double?
  /// Budgets come first; then one repair, which ends with the first candidate that keeps the quality.
  private var isRepairing = false
  private var isRepaired = false
  private var repair: GreedyRepair?

  init(_ run: SearchRun, _ cost: Cost?) {
    space = run.space
    goal = run.goal
    seeds = run.seeds[...]
    correct(space.original, cost)
  }

  /// - Returns: a choice that was not judged yet; nil when there is none worth it.
  mutating func next(_ state: SearchState) -> [Int]? {
    if let seed = nextSeed(state) { return seed }
    while !isRepairing && budgets < Self.mostBudgets {
      guard let limit = nextBudget() else { break }
      budgets += 1
      budget = limit
      guard let choice = best(within: limit) ?? (budgets == 1 ? leastLoss() : nil) else {
        // Size or latency cannot be kept with so little loss.
        kept = max(kept ?? 0, limit)
        continue
      }
      guard let trial = state.trial(of: choice) else { return choice }
      // Another budget for what is known already.
      narrow(isKept: state.keepsQuality(trial))
      if choice == cheapest { break }
    }
    isRepairing = true
    return nextRepair(state)
  }

  /// - Returns: a choice of those to begin with.
  mutating func nextSeed(_ state: SearchState) -> [Int]? {
    while let seed = seeds.popFirst() {
      if !state.isTried(seed) { return seed }
    }
    return nil
  }

  /// Takes note of the last trial.
  mutating func learn(_ state: SearchState) {
    guard let choice = state.choices.last ?? nil, let trial = state.trials.last else { return }
    correct(choice, trial.cost)
    if isRepairing {
      if state.keepsQuality(state.trials.count - 1) { repair = nil }
    } else if budget != nil {
      narrow(isKept: state.keepsQuality(state.trials.count - 1))
    }
  }

  private mutating func narrow(isKept: Bool) {
    guard let budget else { return }
    if isKept { kept = max(kept ?? 0, budget) } else { broken = min(broken ?? budget, budget) }
  }

  private mutating func nextBudget() -> Double? {
    guard budget != nil else { return goal.maxLoss.map { max($0, 0) } ?? totalLoss }
    switch (kept, broken) {
    case (let kept?, let broken?):
      // The difference of two budgets that are this close is no longer that of two layers.
      return broken - kept > broken * 1e-3 ? (kept + broken) / 2 : nil
    case (let kept?, nil):
      return kept >= totalLoss ? nil : max(kept * Self.widening, totalLoss / 64)
    case (nil, let broken?): return broken > totalLoss * 1e-6 ? min(broken, totalLoss) / Self.widening : nil
    case (nil, nil): return nil
    }
  }

  /// The loss of the dearest options of all layers.
  private var totalLoss: Double {
    space.layers.reduce(0) { sum, layer in
      sum + max(0, layer.options.map { $0.loss.isFinite ? $0.loss : 0 }.max() ?? 0)
    }
  }

  private var cheapest: [Int]? { best(within: .infinity) }

  private func best(within loss: Double) -> [Int]? {
    solve(limits: [loss]) { option in
      let cost = goal.objective == .size ? Double(option.bytes) : option.microseconds
      return (cost, [option.loss])
    }
  }

  private func leastLoss() -> [Int]? { solve(limits: []) { ($0.loss, []) } }

  private func solve(limits: [Double], _ terms: (LayerOption) -> (cost: Double, usage: [Double])) -> [Int]? {
    let groups = space.layers.map { layer in
      layer.options.map { option in
        let (cost, usage) = terms(option)
        return KnapsackOption(cost: cost, usage: usage + [Double(option.bytes), option.microseconds])
      }
    }
    let bytes = goal.maxBytes.map { Double($0 - otherBytes) } ?? .infinity
    let microseconds = goal.maxMicroseconds.map { $0 - otherMicroseconds } ?? .infinity
    return Knapsack(groups, limits: limits + [bytes, microseconds]).solve()?.choices
  }

  private mutating func correct(_ choice: [Int], _ cost: Cost?) {
    guard let cost else { return }
    otherBytes = cost.fileBytes - space.bytes(choice)
    if let measured = cost.smallestBatch { otherMicroseconds = measured - space.microseconds(choice) }
  }

  /// From the candidate that is closest to keeping the quality.
  private mutating func nextRepair(_ state: SearchState) -> [Int]? {
    if repair == nil {
      if isRepaired { return nil }
      isRepaired = true
      guard let start = state.leastBroken, let choices = state.choices[start] else { return nil }
      repair = GreedyRepair(choices, in: space, objective: goal.objective)
    }
    while let choice = repair?.next() {
      if !state.isTried(choice) { return choice }
    }
    return nil
  }
}
