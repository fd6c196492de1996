import Tensors
import Testing

@testable import Compression

@Suite struct TaskScoreTests {
  /// Four samples of two classes: decisions 0, 1, 1, 0.
  private static let scores: [Float] = [2, 1, 0, 3, 1, 2, 5, 4]

  static let classCases: [(metric: Metric, labels: [Int64], value: Double)] = [
    (.accuracy, [0, 1, 0, 1], 0.5),
    (.top5, [0, 1, 0, 1], 1),
    (.f1, [0, 1, 0, 1], 0.5),
    (.f1, [0, 1, 1, 0], 1),
    // Class 1 scores 1, 3, 2, 4.
    (.auroc, [0, 1, 0, 1], 1),
    (.auroc, [1, 0, 1, 0], 0),
  ]

  @Test(arguments: classCases)
  func classes(metric: Metric, labels: [Int64], value: Double) throws {
    let result = try score(metric, [4, 2], Self.scores, try Tensor(shape: [4], labels))
    #expect(result.value == value)
    #expect(result.samples == 4)
  }

  /// Labels for each position; a negative one is padding.
  @Test func positions() throws {
    let labels = try Tensor(shape: [2, 2], [0, 1, 0, -100] as [Int64])
    let result = try score(.accuracy, [2, 2, 2], Self.scores, labels)
    #expect(result.value == 2.0 / 3)
    #expect(result.samples == 3)
    #expect(throws: CompressionError.self) {
      try score(.accuracy, [2, 2, 2], Self.scores, try Tensor(shape: [2], [0, 1] as [Int64]))
    }
  }

  /// Four equally likely tokens at every position.
  @Test func perplexity() throws {
    let labels = try Tensor(shape: [1, 2], [3, 0] as [Int32])
    let result = try score(.perplexity, [1, 2, 4], [Float](repeating: 7, count: 8), labels)
    #expect(abs(try #require(result.value) - 4) < 1e-12)
    #expect(throws: CompressionError.self) {
      try score(
        .perplexity, [1, 2, 4], [Float](repeating: 7, count: 8),
        try Tensor(shape: [1, 2], [4, 0] as [Int32]))
    }
  }

  /// `[rows, 1]` in 0 … 1: the probability of class 1.
  @Test func probabilities() throws {
    let labels = try Tensor(shape: [4], [0, 1, 1, 0] as [Int64])
    let shares: [Float] = [0.2, 0.5, 0.4, 0.1]
    #expect(try score(.accuracy, [4, 1], shares, labels).value == 0.75)
    #expect(try score(.auroc, [4, 1], shares, labels).value == 1)
    #expect(abs(try #require(score(.f1, [4, 1], shares, labels).value) - 2.0 / 3) < 1e-12)
  }

  @Test func determination() throws {
    let labels = try Tensor(shape: [4], [3, -0.5, 2, 7] as [Float])
    let result = try score(.r2, [4, 1], [2.5, 0, 2, 8], labels)
    #expect(abs(try #require(result.value) - 0.9486081370449679) < 1e-12)
    #expect(result.samples == 4)
  }

  @Test(arguments: [Metric.f1, .auroc, .perplexity, .accuracy])
  func classMetricsRefuseNumbers(metric: Metric) throws {
    let labels = try Tensor(shape: [4], [0, 1, 0, 1] as [Float])
    #expect(throws: CompressionError.self) { try score(metric, [4, 2], Self.scores, labels) }
  }

  @Test(
    arguments: [
      ([0.6, -0.8, -0.8, 0.6], false), ([0.6, 0.8, 0.8, 0.6], true), ([0.6, -0.9, -0.8, 0.6], true),
    ] as [([Float], Bool)])
  func embeddingsDecideNothing(rows: [Float], decide: Bool) throws {
    let reference = try Tensor(shape: [2, 2], rows)
    let candidate = try Tensor(shape: [2, 2], rows.map { $0 * 0.5 })
    var comparison = OutputComparison()
    comparison.add([reference], [candidate], rows: 0..<2)
    #expect(comparison.result.agreement == (decide ? 1 : nil))
    #expect(abs(comparison.result.cosine - 1) < 1e-6)
  }

  @Test func agreementIsOverPositions() throws {
    var comparison = OutputComparison()
    let before = try Tensor(shape: [2, 2, 2], [0, 1, 1, 0, 2, 3, 9, 8] as [Float])
    let after = try Tensor(shape: [2, 2, 2], [0, 1, 0, 1, 2, 3, 9, 8] as [Float])
    comparison.add([before], [after], rows: 6..<8)
    #expect(comparison.result.agreement == 0.75)
    #expect(comparison.result.rowAgreement == 0.5)
    #expect(comparison.result.changedSamples == [6])
  }

  static let readings: [(left: [Int], right: [Int], value: Double?)] = [
    ([0, 1, 1, 0, 2], [1, 0, 0, 2, 2], 1),
    ([0, 1, 0, 1, 2], [0, 1, 1, 1, 2], 2.0 / 3),
    ([0, 0, 0, 3, 4], [0, 0, 0, 0, 0], 0),
    ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], nil),
    ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], nil),
  ]

  @Test(arguments: readings)
  func sequencesAreReadWithoutBlanks(left: [Int], right: [Int], value: Double?) throws {
    func decisions(_ classes: [Int]) throws -> Decisions {
      let scores = classes.flatMap { wanted in (0..<6).map { $0 == wanted ? Float(1) : 0 } }
      return try #require(Decisions(scores, shape: [1, classes.count, 6], rows: 1))
    }
    var agreement = SequenceAgreement()
    agreement.add(try decisions(left), try decisions(right))
    #expect((agreement.value == nil) == (value == nil))
    #expect(abs((agreement.value ?? 0) - (value ?? 0)) < 1e-12)
  }

  /// Symbol 5 ends most of the sequences: at their ends it counts for nothing, within them it does.
  @Test(arguments: [(8, 1.0), (7, 0.6), (80, 1.0)])
  func symbolsThatFillSequencesAreLeftOut(rows: Int, value: Double) throws {
    func decisions(_ rows: [[Int]]) throws -> Decisions {
      let scores = rows.joined().flatMap { wanted in (0..<6).map { $0 == wanted ? Float(1) : 0 } }
      return try #require(Decisions(scores, shape: [rows.count, 8, 6], rows: rows.count))
    }
    let reference = [[Int]](repeating: [5, 0, 1, 5, 2, 0, 5, 0], count: rows)
    let candidate = [[Int]](repeating: [0, 0, 1, 5, 2, 0, 0, 0], count: rows)
    var agreement = SequenceAgreement()
    for row in 0..<rows { agreement.add(try decisions([reference[row]]), try decisions([candidate[row]])) }
    #expect(abs((agreement.value ?? 0) - value) < 1e-12)
    var whole = SequenceAgreement()
    whole.add(try decisions(reference), try decisions(candidate))
    #expect(whole.value == agreement.value)
    var inner = SequenceAgreement()
    inner.add(
      try decisions(reference), try decisions([[Int]](repeating: [5, 0, 1, 0, 2, 0, 5, 0], count: rows)))
    #expect((inner.value ?? 1) < 0.9)
  }

  @Test(arguments: [([], [], 0), ([1, 2, 3], [], 3), ([1, 2, 3], [2, 3], 1), ([1, 2, 3], [3, 2, 1], 2)])
  func editDistances(left: [Int], right: [Int], edits: Int) {
    #expect(SequenceAgreement.distance(left, right) == edits)
    #expect(SequenceAgreement.distance(right, left) == edits)
  }

  @Test(arguments: [Metric.f1, .auroc, .accuracy, .top5], [-1, 2])
  func labelsAreClasses(metric: Metric, label: Int64) throws {
    let labels = try Tensor(shape: [4], [0, 1, 0, label])
    #expect(throws: CompressionError.dataset("label \(label) is no class; the first output has 2")) {
      try score(metric, [4, 2], Self.scores, labels)
    }
  }

  /// Of probabilities the divergence is taken as they are: one half against one quarter and three quarters.
  @Test func divergenceOfProbabilities() throws {
    var comparison = OutputComparison()
    let before = try Tensor(shape: [1, 1], [0.5] as [Float])
    comparison.add([before], [try Tensor(shape: [1, 1], [0.25] as [Float])], rows: 0..<1)
    #expect(comparison.result.agreement == 0)
    #expect(abs(try #require(comparison.result.klMean) - 0.14384) < 1e-5)
    #expect(comparison.result.rowAgreement == nil)
  }

  private func score(_ metric: Metric, _ shape: Shape, _ scores: [Float], _ labels: Tensor) throws
    -> MetricResult
  {
    let output = try Tensor(shape: shape, scores)
    let dataset = try Dataset([("x", output), ("labels", labels)])
    var score = try TaskScore(metric, dataset)
    try score.add(output, rows: 0..<shape[0])
    return score.result
  }
}
