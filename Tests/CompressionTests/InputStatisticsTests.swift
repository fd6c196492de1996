import Testing

@testable import Compression

@Suite struct InputStatisticsTests {
  private static let all: StatisticsNeed = [.mean, .meanSquare, .magnitude, .gram, .folds]

  private func sum(_ samples: [[Float]], depth: Int, _ need: StatisticsNeed) -> InputStatistics? {
    var sum = InputStatisticsSum(depth: depth, groups: 1, need)
    for (number, sample) in samples.enumerated() {
      let samples = [Int](repeating: number, count: sample.count / max(depth, 1))
      sample.withUnsafeBufferPointer { sum.add($0, group: 0, samples: samples) }
    }
    return sum.statistics
  }

  @Test func everyNumberIsThatOfTheDefinition() throws {
    // Ten samples of three positions and five inputs.
    let samples = (0..<10).map { TestModels.numbers(15, seed: $0) }
    let statistics = try #require(sum(samples, depth: 5, Self.all))
    let rows = samples.flatMap { sample in (0..<3).map { Array(sample[$0 * 5..<$0 * 5 + 5]).map(Double.init) }
    }
    #expect(statistics.rows == 30)
    for k in 0..<5 {
      let column = rows.map { $0[k] }
      #expect(abs(statistics.mean[k] - column.reduce(0, +) / 30) < 1e-12)
      #expect(abs(statistics.meanSquare[k] - column.reduce(0) { $0 + $1 * $1 } / 30) < 1e-12)
      #expect(abs(Double(statistics.meanMagnitude[k]) - column.reduce(0) { $0 + abs($1) } / 30) < 1e-6)
      #expect(Double(statistics.largest[k]) == column.map { abs($0) }.max())
      #expect(abs(statistics.gram[0][k, k] - statistics.meanSquare[k]) < 1e-12)
      // Samples 1 and 9 are the second fold, sample 4 is the fifth.
      let second = (rows[3..<6] + rows[27..<30]).map { $0[k] }
      #expect(abs(statistics.folds[1][k] - second.reduce(0) { $0 + $1 * $1 } / 6) < 1e-12)
      #expect(abs(statistics.folds[4][k] - rows[12..<15].reduce(0) { $0 + $1[k] * $1[k] } / 3) < 1e-12)
    }
  }

  @Test func whatIsNotAskedForIsEmptyAndFoldsWithoutSamplesAreTheWhole() throws {
    let means = try #require(sum([[1, 2]], depth: 2, .mean))
    #expect(means.mean == [1, 2] && means.meanSquare.isEmpty && means.gram.isEmpty && means.largest.isEmpty)
    let folds = try #require(sum([[1, 2]], depth: 2, .folds))
    #expect(folds.meanSquare.isEmpty && folds.folds == Array(repeating: [1, 4], count: 8))
  }

  @Test func groupsAreKeptApart() throws {
    var sum = InputStatisticsSum(depth: 1, groups: 2, [.mean, .gram])
    for (group, values) in [[1, 3], [5]].enumerated() as EnumeratedSequence<[[Float]]> {
      let samples = [Int](repeating: 0, count: values.count)
      values.withUnsafeBufferPointer { sum.add($0, group: group, samples: samples) }
    }
    let statistics = try #require(sum.statistics)
    #expect(statistics.mean == [2, 5] && statistics.gram.map(\.elements) == [[5], [25]])
  }

  @Test(arguments: [[], [[]], [[1, .nan]], [[.infinity, 0]]] as [[[Float]]])
  func nothingAndWhatIsNotFiniteGiveNothing(samples: [[Float]]) {
    #expect(sum(samples, depth: 2, Self.all) == nil)
    #expect(sum(samples, depth: 2, .mean) == nil)
  }
}
