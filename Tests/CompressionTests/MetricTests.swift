import Glibc
import Testing

@testable import Compression

@Suite struct MetricTests {
  /// Values of scikit-learn's f1_score, binary for 0 and 1, macro else.
  static let f1Cases: [(predicted: [Int], actual: [Int], f1: Double?)] = [
    ([], [], nil),
    ([1, 1, 0, 0], [1, 0, 1, 0], 0.5),
    ([1, 1, 1, 0], [1, 1, 0, 0], 0.8),
    ([0, 0], [0, 0], 0),
    ([0, 0], [1, 1], 0),
    ([0, 1, 2, 2], [0, 1, 2, 1], 7.0 / 9),
    ([3, 3], [5, 5], 0),
    ([2], [2], 1),
  ]

  @Test(arguments: f1Cases)
  func f1(predicted: [Int], actual: [Int], f1: Double?) {
    var counts = ConfusionCounts()
    for (left, right) in zip(predicted, actual) { counts.add(predicted: left, actual: right) }
    #expect(counts.samples == actual.count)
    guard let f1 else {
      #expect(counts.f1 == nil)
      return
    }
    #expect(abs((counts.f1 ?? -1) - f1) < 1e-12)
  }

  static let rankCases: [(scores: [Float], truth: [Int], area: Double?)] = [
    ([], [], nil),
    ([0.1], [1], nil),
    ([0.1, 0.2], [0, 0], nil),
    ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
    ([0.8, 0.4], [0, 1], 0),
    ([5, 5, 5, 5], [0, 1, 0, 1], 0.5),
    ([1, 1, 2], [0, 1, 1], 0.75),
    ([-.infinity, .infinity], [0, 1], 1),
    ([.nan, 1], [0, 1], nil),
  ]

  @Test(arguments: rankCases)
  func areas(scores: [Float], truth: [Int], area: Double?) {
    #expect(RankScore.auroc(scores, isPositive: truth.map { $0 == 1 }) == area)
  }

  /// Against counting all pairs.
  @Test(arguments: [2, 3, 7, 64])
  func areasAreThoseOfAllPairs(count: Int) throws {
    var generator = KnapsackTests.Generator(state: UInt64(count))
    let scores = (0..<count).map { _ in Float(Int.random(in: 0...5, using: &generator)) }
    var truth = (0..<count).map { _ in Bool.random(using: &generator) }
    truth[0] = true
    truth[1] = false
    var (wins, pairs) = (0.0, 0.0)
    for a in 0..<count where truth[a] {
      for b in 0..<count where !truth[b] {
        pairs += 1
        wins += scores[a] > scores[b] ? 1 : scores[a] == scores[b] ? 0.5 : 0
      }
    }
    let area = try #require(RankScore.auroc(scores, isPositive: truth))
    #expect(abs(area - wins / pairs) < 1e-12)
  }

  @Test func areasOfSeveralClasses() throws {
    // Class 0 is perfectly ranked, class 1 has two of four pairs wrong, class 2 one tie in three.
    let scores: [Float] = [3, 1, 1, 2, 3, 0, 1, 0, 0, 0, 2, 1]
    let area = try #require(RankScore.auroc(scores, classes: 3, labels: [0, 1, 1, 2]))
    #expect(abs(area - (1.0 + 0.5 + 5.0 / 6) / 3) < 1e-12)
    #expect(RankScore.auroc([1, 0, 0, 1], classes: 2, labels: [0, 1]) == 1)
    #expect(RankScore.auroc([1, 0, 0, 1], classes: 2, labels: [0, 2]) == nil)
    #expect(RankScore.auroc([1, 0, 0, 1], classes: 2, labels: [0, 0]) == nil)
    #expect(RankScore.auroc([], classes: 2, labels: []) == nil)
  }

  @Test func ranks() {
    let scores: ArraySlice<Float> = ([9, 1, 3, 3, .nan] as [Float])[1...]
    #expect((0..<4).map { RankScore.rank(of: $0, in: scores) } == [2, 0, 1, nil])
    #expect(RankScore.rank(of: 4, in: scores) == nil)
    #expect(RankScore.rank(of: -1, in: scores) == nil)
    #expect(RankScore.rank(of: 0, in: []) == nil)
  }

  @Test func regression() throws {
    var score = RegressionScore(width: 1)
    #expect(score.determination == nil && score.rootMeanSquare == nil && score.meanMagnitude == nil)
    for (prediction, target) in [(2.5, 3.0), (0, -0.5), (2, 2), (8, 7)] {
      score.add([Float(prediction)], [target])
    }
    #expect(abs(try #require(score.determination) - 0.9486081370449679) < 1e-12)
    #expect(abs(try #require(score.rootMeanSquare) - 0.375.squareRoot()) < 1e-12)
    #expect(score.meanMagnitude == 0.5)
  }

  /// scikit-learn's r2_score gives the mean of 1 − 0.5/2 and 1 for a constant column that is met, 0 for one that is not.
  @Test(arguments: [(Float(5), 0.875), (6, 0.375)])
  func regressionByColumns(constant: Float, expected: Double) throws {
    var score = RegressionScore(width: 2)
    score.add([0.5, constant], [0, 5])
    #expect(score.determination == nil)
    score.add([2.5, constant], [2, 5])
    #expect(abs(try #require(score.determination) - expected) < 1e-12)
  }

  @Test func regressionOfWhatIsNotANumber() {
    var score = RegressionScore(width: 1)
    score.add([.nan], [1])
    score.add([1], [1])
    #expect(score.determination == nil)
    #expect(score.rootMeanSquare == nil)
    #expect(RegressionScore(width: 0).meanMagnitude == nil)
  }

  private func perplexity(_ rows: [(scores: [Float], label: Int)]) -> (value: Double?, isTaken: [Bool]) {
    var score = PerplexityScore()
    var isTaken: [Bool] = []
    for row in rows { isTaken.append(score.add(row.scores, label: row.label)) }
    #expect(score.positions == zip(rows, isTaken).count { $0.label >= 0 && $1 })
    return (score.value, isTaken)
  }

  @Test func perplexities() throws {
    #expect(perplexity([]).value == nil)
    // Four equally likely tokens: a perplexity of four. Padding does not count, a token that is none is refused.
    let four = perplexity([([1, 1, 1, 1], 2), ([9, 9], -100), ([0, 0], 2)])
    #expect(abs(try #require(four.value) - 4) < 1e-12)
    #expect(four.isTaken == [true, true, false])
    // Probabilities 1/4 and 3/4: the geometric mean of 4 and 4/3.
    let mean = perplexity([([1, 1, 1, 1], 0), ([0, Float(log(3.0))], 1)])
    #expect(abs(try #require(mean.value) - (16.0 / 3).squareRoot()) < 1e-7)
  }

  @Test func perplexitiesOfExtremes() {
    #expect(perplexity([([1000, 0], 0)]).value == 1)
    #expect(perplexity([([1000, 0], 0), ([1e30, 0], 1)]).value == nil)
    #expect(perplexity([([.infinity, 0], 0)]).value == 1)
    #expect(perplexity([([.infinity, 0], 1)]).value == nil)
    #expect(perplexity([([.nan, 0], 1)]).value == nil)
  }

  static let decisionCases: [(scores: [Float], shape: [Int], rows: Int, classes: [Int]?)] = [
    ([1, 3, 2, 5, 5, 0], [2, 3], 2, [1, 0]),
    ([1, 3, 2, 5, 5, 0], [2, 3, 1, 1], 1, [1]),
    ([0, 1, 1, 0, 2, 3, 9, 8], [2, 2, 2], 2, [1, 0, 1, 0]),
    ([0, 1, 1, 0], [1, 1, 2, 2], 1, nil),
    ([0, 1, 1, 0], [1, 2, 1, 2], 1, [1, 0]),
    ([0.5, 0.49, 1], [3, 1], 3, [1, 0, 1]),
    ([0.5, 1.1], [2, 1], 2, nil),
    ([0.5, .nan], [2, 1], 2, nil),
    ([.nan, 1, 2], [1, 3], 1, [2]),
    ([.nan, .nan], [1, 2], 1, [0]),
    ([1, 2], [2], 2, nil),
    ([], [0, 2], 0, nil),
    ([1, 2], [1, 2], 2, nil),
    ([1, 2, 3], [1, 2], 1, nil),
    ([Float](repeating: 0, count: 8), [1, 2, 2, 2], 1, nil),
  ]

  @Test(arguments: decisionCases)
  func decisions(scores: [Float], shape: [Int], rows: Int, classes: [Int]?) {
    #expect(Decisions(scores, shape: shape, rows: rows)?.classes == classes)
  }
}
