/// Prices for the limits of a knapsack problem (Lagrangian relaxation, Fisher 1981): with them the groups become
/// independent, and the sum of their cheapest options is a lower bound of every choice that keeps the limits.
struct KnapsackDual: Sendable {
  /// For each limit, in cost for one unit of usage; 0 for a limit that does not bind.
  let prices: [Double]

  private static let rounds = 8
  private static let bisections = 60

  /// Raises one price after another until the cheapest options keep its limit.
  init(_ groups: [[KnapsackOption]], _ usable: [[Int]], _ limits: [Double]) {
    var prices = [Double](repeating: 0, count: limits.count)

    func excess(of kind: Int) -> Double {
      var used = -limits[kind]
      for (group, indices) in zip(groups, usable) {
        used += Self.cheapest(group, indices, prices).map { group[$0].usage[kind] } ?? 0
      }
      return used
    }

    for _ in 0..<(limits.count > 1 ? Self.rounds : 1) {
      for kind in limits.indices where limits[kind].isFinite {
        let before = prices[kind]
        prices[kind] = 0
        if excess(of: kind) <= 0 { continue }
        var high = max(before, Self.scale(groups, kind))
        for _ in 0..<Self.bisections {
          prices[kind] = high
          if excess(of: kind) <= 0 { break }
          high *= 4
        }
        var low = 0.0
        for _ in 0..<Self.bisections {
          prices[kind] = (low + high) / 2
          if excess(of: kind) > 0 { low = prices[kind] } else { high = prices[kind] }
        }
        // Where no price is enough, the limit cannot be kept, and any finite price still bounds.
        prices[kind] = high.isFinite ? high : 0
      }
    }
    self.prices = prices
  }

  func reducedCost(_ option: KnapsackOption) -> Double { Self.reducedCost(option, prices) }

  /// How far the best option is ahead of the next; infinite for a single one.
  func lead(_ group: [KnapsackOption], _ indices: [Int]) -> Double {
    let sorted = indices.map { reducedCost(group[$0]) }.sorted()
    return sorted.count < 2 ? .infinity : sorted[1] - sorted[0]
  }

  static func reducedCost(_ option: KnapsackOption, _ prices: [Double]) -> Double {
    var cost = option.cost
    for (kind, price) in prices.enumerated() { cost += price * option.usage[kind] }
    return cost
  }

  /// Of equally cheap options the one that takes least.
  private static func cheapest(_ group: [KnapsackOption], _ indices: [Int], _ prices: [Double]) -> Int? {
    indices.min { left, right in
      let (a, b) = (reducedCost(group[left], prices), reducedCost(group[right], prices))
      return a != b ? a < b : group[left].usage.reduce(0, +) < group[right].usage.reduce(0, +)
    }
  }

  /// A first guess: the spread of costs by the spread of usages.
  private static func scale(_ groups: [[KnapsackOption]], _ kind: Int) -> Double {
    var (costs, usages) = (0.0, 0.0)
    for option in groups.joined() where option.cost.isFinite && option.usage[kind].isFinite {
      costs = max(costs, abs(option.cost))
      usages = max(usages, abs(option.usage[kind]))
    }
    return usages > 0 && costs > 0 ? costs / usages : 1
  }
}

/// Lower bounds for what is left to decide after each depth of the search.
struct KnapsackBounds: Sendable {
  /// The prices that are tried: those of the dual, others beside them, and none at all.
  private let prices: [[Double]]
  /// `[price][depth]`: sum over the groups from `depth` on of their least reduced cost.
  private let costs: [[Double]]
  /// `[limit][depth]`: sum over the groups from `depth` on of their least usage.
  private let usages: [[Double]]

  /// - Parameter groups: in the order of decisions, with the options that may be chosen.
  init(_ groups: [[KnapsackOption]], _ options: [[Int]], _ dual: KnapsackDual, limits: Int) {
    let factors = [0, 0.5, 0.8, 1, 1.25, 2]
    let prices = factors.map { factor in dual.prices.map { $0 * factor } }

    func suffixSums(_ value: (KnapsackOption) -> Double) -> [Double] {
      var sums = [Double](repeating: 0, count: groups.count + 1)
      for depth in groups.indices.reversed() {
        let least = options[depth].map { value(groups[depth][$0]) }.min() ?? 0
        sums[depth] = sums[depth + 1] + least
      }
      return sums
    }

    costs = prices.map { price in suffixSums { KnapsackDual.reducedCost($0, price) } }
    usages = (0..<limits).map { kind in suffixSums { $0.usage[kind] } }
    self.prices = prices
  }

  /// Whether a partial choice can be completed within `room` for less than `best`.
  func canImprove(on best: Double, from depth: Int, cost: Double, used: [Double], room: [Double]) -> Bool {
    for kind in room.indices where used[kind] + usages[kind][depth] > room[kind] { return false }
    if best == .infinity { return true }
    let margin = abs(best) * 1e-12
    for (price, sums) in zip(prices, costs) {
      // cost + Σ min (c + λu) − λ·(room left) is no more than what any completion costs.
      var bound = cost + sums[depth]
      for kind in room.indices where price[kind] > 0 { bound -= price[kind] * (room[kind] - used[kind]) }
      if bound >= best - margin { return false }
    }
    return true
  }
}
