import Testing

@testable import Compression

@Suite struct KnapsackTests {
  /// Numbers from a seed (SplitMix64, Steele et al. 2014).
  struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  /// Every choice in turn.
  private func bruteForce(_ problem: Knapsack) -> Double? {
    var best: Double?
    var choices = [Int](repeating: 0, count: problem.groups.count)
    while true {
      let isWithin = zip(problem.usage(choices), problem.limits).allSatisfy { $0 <= Knapsack.bound($1) }
      let cost = problem.cost(choices)
      if isWithin && cost < best ?? .infinity { best = cost }
      guard let place = choices.indices.last(where: { choices[$0] + 1 < problem.groups[$0].count }) else {
        return best
      }
      choices[place] += 1
      for later in choices.indices where later > place { choices[later] = 0 }
    }
  }

  private func problem(
    _ generator: inout Generator, groups: Int, options: Int, limits: Int, whole: Bool
  ) -> Knapsack {
    func value(_ range: ClosedRange<Double>) -> Double {
      let drawn = Double.random(in: range, using: &generator)
      return whole ? drawn.rounded() : drawn
    }
    let made = (0..<groups).map { _ in
      (0..<Int.random(in: 1...options, using: &generator)).map { _ in
        KnapsackOption(cost: value(-5...20), usage: (0..<limits).map { _ in value(-2...10) })
      }
    }
    return Knapsack(made, limits: (0..<limits).map { _ in value(-5...Double(5 * groups)) })
  }

  @Test(arguments: [1, 2, 3], [false, true])
  func everyChoiceIsConsidered(limits: Int, whole: Bool) throws {
    var generator = Generator(state: UInt64(limits) * 2 + (whole ? 1 : 0))
    for _ in 0..<300 {
      let problem = problem(
        &generator, groups: Int.random(in: 1...6, using: &generator), options: 4, limits: limits, whole: whole
      )
      let solution = problem.solve()
      let expected = bruteForce(problem)
      #expect((solution == nil) == (expected == nil))
      guard let solution, let expected else { continue }
      #expect(solution.isExact)
      #expect(abs(solution.cost - expected) < 1e-9)
      #expect(problem.cost(solution.choices) == solution.cost)
      #expect(zip(problem.usage(solution.choices), problem.limits).allSatisfy { $0 <= Knapsack.bound($1) })
    }
  }

  private func option(_ cost: Double, _ usage: Double...) -> KnapsackOption {
    KnapsackOption(cost: cost, usage: usage)
  }

  @Test func nothingToChoose() {
    #expect(Knapsack([], limits: [0]).solve()?.choices == [])
    #expect(Knapsack([], limits: [-1]).solve() == nil)
    #expect(Knapsack([[]], limits: [1]).solve() == nil)
    #expect(Knapsack([[option(3), option(1)], [option(0)]], limits: []).solve()?.choices == [1, 0])
  }

  @Test func limitsThatAreNone() {
    let groups = [[option(5, 0), option(1, 100)]]
    #expect(Knapsack(groups, limits: [.infinity]).solve()?.choices == [1])
    #expect(Knapsack(groups, limits: [-.infinity]).solve() == nil)
    #expect(Knapsack(groups, limits: [.nan]).solve() == nil)
    #expect(Knapsack(groups, limits: [-1]).solve() == nil)
    #expect(Knapsack(groups, limits: [0]).solve()?.choices == [0])
  }

  @Test func whatCouldNotBeMeasuredIsNotChosen() {
    #expect(Knapsack([[option(.nan, 0), option(9, 1)]], limits: [1]).solve()?.choices == [1])
    #expect(Knapsack([[option(1, .infinity), option(9, 1)]], limits: [.infinity]).solve()?.choices == [1])
    #expect(Knapsack([[option(.nan, 0)]], limits: [1]).solve() == nil)
  }

  /// 0.1 three times is more than 0.3 in binary.
  @Test func limitsHoldUpToRounding() {
    let groups = [[KnapsackOption]](repeating: [option(0, 0.1), option(1, 0)], count: 3)
    #expect(Knapsack(groups, limits: [0.3]).solve()?.cost == 0)
  }

  @Test func manyGroupsAreSolvedWithinTheSteps() throws {
    var generator = Generator(state: 9)
    // Options from dear and harmless to cheap and harmful, as layers have them.
    let groups = (0..<200).map { _ in
      (0..<5).map { level in
        option(
          100 / Double(level + 1) * Double.random(in: 0.5...1.5, using: &generator),
          Double(level * level) * Double.random(in: 0.1...1, using: &generator))
      }
    }
    let problem = Knapsack(groups, limits: [300])
    let solution = try #require(problem.solve())
    #expect(solution == problem.solve())
    #expect(solution.usage[0] <= 300.000001)
    // The relaxed problem's value is a lower bound: nothing can be better by more than the gap.
    let usable = groups.map { Array($0.indices) }
    let dual = KnapsackDual(groups, usable, problem.limits)
    let relaxed = groups.reduce(0.0) { $0 + $1.map(dual.reducedCost).min()! } - dual.prices[0] * 300
    #expect(relaxed <= solution.cost + 1e-9)
    #expect(solution.cost <= relaxed * 1.001)
  }

  @Test func fewStepsStillGiveAChoice() throws {
    let groups = [[KnapsackOption]](repeating: [option(2, 1), option(1, 2), option(0, 4)], count: 30)
    var problem = Knapsack(groups, limits: [61])
    problem.mostSteps = 40
    let solution = try #require(problem.solve())
    #expect(!solution.isExact)
    #expect(solution.usage[0] <= 61)
  }

  static let fronts: [([[Double]], Set<Int>, [Int])] = [
    ([], [], []),
    ([[1, 1]], [], [0]),
    ([[2, 1], [1, 2], [2, 2]], [], [1, 0]),
    ([[2, 1], [1, 2], [2, 2]], [2], [1, 0, 2]),
    ([[1, 1], [1, 1]], [], [0]),
    ([[1, 1], [1, 1]], [1], [0, 1]),
    ([[.nan, 0], [5, 5]], [], [1]),
    ([[.nan, 0], [5, 5]], [0], [1, 0]),
    ([[1, .infinity], [2, 3], [2, .infinity]], [], [0, 1]),
    ([[1], [0], [2]], [9], [1]),
  ]

  @Test(arguments: fronts)
  func paretoSets(points: [[Double]], kept: Set<Int>, expected: [Int]) {
    #expect(ParetoSet.indices(of: points, keeping: kept) == expected)
  }

  @Test func nothingInTheSetIsBeaten() {
    var generator = Generator(state: 3)
    let points = (0..<200).map { _ in (0..<3).map { _ in Double(Int.random(in: 0...9, using: &generator)) } }
    let front = ParetoSet.indices(of: points)
    for index in points.indices {
      let isBeaten = points.contains { ParetoSet.dominates($0, points[index]) }
      let isFirst = points.firstIndex(of: points[index]) == index
      #expect(front.contains(index) == (!isBeaten && isFirst))
    }
  }
}
