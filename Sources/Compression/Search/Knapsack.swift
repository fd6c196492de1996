/// One way to treat a group, of which exactly one is chosen.
struct KnapsackOption: Sendable, Equatable {
  /// What the choice adds to the sum that is made small.
  var cost: Double
  /// What it takes of each limit. Negative values give room.
  var usage: [Double]

  /// An option that could not be measured cannot be chosen.
  fileprivate var isUsable: Bool { cost.isFinite && usage.allSatisfy(\.isFinite) }
}

/// The multiple-choice knapsack problem: one option of every group, least cost, no limit exceeded.
///
/// Solved exactly by branch and bound (Sinha and Zoltners 1979) with the bounds of `KnapsackDual`. Memory is
/// proportional to the number of options. The work is limited by a count and not by a clock, so that equal problems
/// have equal answers; a search that ends early gives the best choice found.
struct Knapsack: Sendable {
  /// In the order of the caller; the choices come back in it.
  var groups: [[KnapsackOption]]
  /// For each kind of usage the most that the choices may take together; infinite for no limit.
  var limits: [Double]
  /// Partial choices that are looked at before the best found so far has to do.
  var mostSteps = 2_000_000

  struct Solution: Sendable, Equatable {
    /// For each group the index of its option.
    var choices: [Int]
    var cost: Double
    var usage: [Double]
    /// False when the search ended early and a cheaper choice may exist.
    var isExact: Bool
  }

  init(_ groups: [[KnapsackOption]], limits: [Double]) {
    self.groups = groups
    self.limits = limits
  }

  /// - Returns: the cheapest choice, among equally cheap ones the one found first. Nil when no choice keeps the
  ///   limits or none was found in `mostSteps`, when a limit is not a number, or when a group has no option with
  ///   finite cost and usage.
  func solve() -> Solution? {
    precondition(groups.joined().allSatisfy { $0.usage.count == limits.count }, "one usage for each limit")
    if limits.contains(where: \.isNaN) { return nil }
    let usable = groups.map { group in group.indices.filter { group[$0].isUsable } }
    if usable.contains(where: \.isEmpty) { return nil }
    let dual = KnapsackDual(groups, usable, limits)
    var search = KnapsackSearch(self, usable, dual)
    search.run()
    guard let best = search.best else { return nil }
    return Solution(
      choices: best, cost: cost(best), usage: usage(best), isExact: !search.isExhausted)
  }

  func cost(_ choices: [Int]) -> Double {
    groups.indices.reduce(0) { $0 + groups[$1][choices[$1]].cost }
  }

  func usage(_ choices: [Int]) -> [Double] {
    limits.indices.map { kind in
      groups.indices.reduce(0) { $0 + groups[$1][choices[$1]].usage[kind] }
    }
  }

  /// The limit with room for the rounding of sums in another order.
  static func bound(_ limit: Double) -> Double { limit.isFinite ? limit + abs(limit) * 1e-12 : limit }
}

/// Depth first through the groups, the most promising option first.
private struct KnapsackSearch {
  private let problem: Knapsack
  /// Groups in the order of decisions, and for each the options from low to high reduced cost.
  private let order: [Int]
  private let options: [[Int]]
  private let bounds: KnapsackBounds
  private let room: [Double]
  private(set) var best: [Int]?
  private(set) var isExhausted = false
  private var bestCost = Double.infinity

  init(_ problem: Knapsack, _ usable: [[Int]], _ dual: KnapsackDual) {
    self.problem = problem
    // A group whose best option is far ahead of the next is hardly ever decided otherwise: it comes first, and the
    // doubtful ones are tried out at the end.
    let leads = problem.groups.indices.map { dual.lead(problem.groups[$0], usable[$0]) }
    order = problem.groups.indices.sorted { (leads[$0], $1) > (leads[$1], $0) }
    options = order.map { group in
      usable[group].sorted {
        (dual.reducedCost(problem.groups[group][$0]), $0) < (dual.reducedCost(problem.groups[group][$1]), $1)
      }
    }
    bounds = KnapsackBounds(order.map { problem.groups[$0] }, options, dual, limits: problem.limits.count)
    room = problem.limits.map(Knapsack.bound)
  }

  mutating func run() {
    let depth = order.count
    if depth == 0 {
      if room.allSatisfy({ $0 >= 0 }) { best = [] }
      return
    }
    // `next[d]`: the option to try at depth d; `costs[d]`, `used[d]`: of the decisions before d.
    var next = [Int](repeating: 0, count: depth)
    var costs = [Double](repeating: 0, count: depth + 1)
    var used = [[Double]](repeating: [Double](repeating: 0, count: room.count), count: depth + 1)
    var level = 0
    var steps = 0
    while level >= 0 {
      if level == depth {
        bestCost = costs[depth]
        best = choices(next)
        level -= 1
        continue
      }
      if next[level] == options[level].count {
        next[level] = 0
        level -= 1
        continue
      }
      steps += 1
      if steps > problem.mostSteps {
        isExhausted = true
        return
      }
      let option = problem.groups[order[level]][options[level][next[level]]]
      next[level] += 1
      costs[level + 1] = costs[level] + option.cost
      for kind in room.indices { used[level + 1][kind] = used[level][kind] + option.usage[kind] }
      let isWorthIt = bounds.canImprove(
        on: bestCost, from: level + 1, cost: costs[level + 1], used: used[level + 1], room: room)
      if isWorthIt { level += 1 }
    }
  }

  /// `next` has moved on by one at every depth.
  private func choices(_ next: [Int]) -> [Int] {
    var result = [Int](repeating: 0, count: order.count)
    for (depth, group) in order.enumerated() { result[group] = options[depth][next[depth] - 1] }
    return result
  }
}
