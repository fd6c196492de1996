import Tensors
import Testing

@testable import Compression

@Suite struct StatisticsTests {
  /// Values of statsmodels' proportion_confint(method="wilson") and mcnemar(exact=True).
  @Test(arguments: [(706, 719, 0.96932, 0.98941), (0, 10, 0, 0.27753), (10, 10, 0.72247, 1)])
  func wilson(successes: Int, count: Int, low: Double, high: Double) throws {
    let interval = try #require(PairedStatistics.wilsonInterval(successes: successes, of: count))
    #expect(abs(interval.low - low) < 1e-4)
    #expect(abs(interval.high - high) < 1e-4)
  }

  @Test func noSamplesHaveNoInterval() {
    #expect(PairedStatistics.wilsonInterval(successes: 0, of: 0) == nil)
  }

  @Test(arguments: [(0, 0, 1.0), (1, 0, 1.0), (0, 5, 0.0625), (2, 8, 0.109375), (5, 5, 1.0), (0, 1200, 0)])
  func mcnemar(improved: Int, worsened: Int, probability: Double) {
    #expect(abs(PairedStatistics.mcnemar(improved: improved, worsened: worsened) - probability) < 1e-12)
  }

  @Test func ranksBreakTiesLikeArgmax() throws {
    let scores = try #require(
      ClassScores(try Tensor(shape: [1, 4], [1, 3, 3, 2] as [Float]), rows: 1))
    #expect(scores.argmax(0) == 1)
    #expect((0..<4).map { scores.rank(of: $0, inRow: 0) } == [3, 0, 1, 2])
    #expect(scores.rank(of: 4, inRow: 0) == nil)
  }

  @Test func comparisonOfEqualOutputs() throws {
    var comparison = OutputComparison()
    let output = try Tensor(shape: [2, 3], [1, 2, 3, 6, 5, 4] as [Float])
    comparison.add([output], [output], rows: 0..<2)
    let result = comparison.result
    #expect(result.isIdentical)
    #expect(result.agreement == 1)
    #expect(result.klMean == 0)
    #expect(result.sqnr == nil)
    #expect(result.cosine == 1)
  }

  @Test func comparisonOfKnownOutputs() throws {
    var comparison = OutputComparison()
    let before = try Tensor(shape: [2, 2], [10, 0, 0, 10] as [Float])
    let after = try Tensor(shape: [2, 2], [9, 0, 0, -1] as [Float])
    comparison.add([before], [after], rows: 4..<6)
    let result = comparison.result
    #expect(result.agreement == 0.5)
    #expect(result.changedSamples == [5])
    #expect(abs(try #require(result.sqnr) - 10 * 0.21467) < 1e-2)  // 10·log₁₀(200 / 122)
    #expect(result.maximumError == 11)
    // KL of softmax(10, 0) from softmax(9, 0), and of softmax(0, 10) from softmax(0, −1), averaged.
    #expect(abs(try #require(result.klMean) - 0.65640) < 1e-3)
  }

  @Test func datasetsMustFitTheMetric() throws {
    let x = try Tensor(shape: [2, 2], [0, 1, 2, 3] as [Float])
    let unlabelled = try Dataset([("x", x)])
    #expect(throws: CompressionError.self) { try TaskScore(.accuracy, unlabelled) }
    #expect(throws: CompressionError.self) { try TaskScore(.kl, unlabelled) }
    let labels = try Tensor(shape: [2], [0, 1] as [Int64])
    var score = try TaskScore(.accuracy, try Dataset([("x", x), ("labels", labels)]))
    try score.add(try Tensor(shape: [2, 2], [5, 1, 5, 1] as [Float]), rows: 0..<2)
    #expect(score.result.value == 0.5)
  }

  @Test func meanErrorsAreAgainstTheLabels() throws {
    let x = try Tensor(shape: [2], [0, 0] as [Float])
    let dataset = try Dataset([("x", x), ("labels", try Tensor(shape: [2], [1, 3] as [Float]))])
    let output = try Tensor(shape: [2, 1], [0, 1] as [Float])
    var mean = try TaskScore(.mae, dataset)
    try mean.add(output, rows: 0..<2)
    #expect(mean.result.value == 1.5)
    var root = try TaskScore(.rmse, dataset)
    try root.add(output, rows: 0..<2)
    #expect(abs(try #require(root.result.value) - 2.5.squareRoot()) < 1e-12)
  }

  @Test func rowsOfDatasetsMustAgree() throws {
    let one = try Tensor(shape: [1, 2], [0, 1] as [Float])
    let two = try Tensor(shape: [2], [0, 1] as [Int64])
    #expect(throws: CompressionError.dataset("array 'labels' has 2 rows, the others have 1")) {
      try Dataset([("x", one), ("labels", two)])
    }
    #expect(throws: CompressionError.self) { try Dataset([]) }
    #expect(throws: CompressionError.self) { try Dataset([("x", try Tensor(scalar: 1 as Float))]) }
  }

  @Test(arguments: [
    (0.0, "0"), (1234.4, "1234"), (12.345, "12.3"), (1.756, "1.76"), (0.01234, "0.0123"), (-2.5, "-2.50"),
  ])
  func numbersForPeople(value: Double, text: String) { #expect(Verdict.short(value) == text) }
}
