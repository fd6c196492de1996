import Tensors
import Testing

@testable import Compression

@Suite struct CalibrationTests {
  private func calibrated(
    _ calibrator: QuantizeStep.Calibrator, _ batches: [[Float]]
  ) throws -> ValueRange? {
    var statistics = RangeStatistics(calibrator)
    for batch in batches { statistics.add(try Tensor(shape: [batch.count], batch)) }
    return statistics.calibrated
  }

  @Test func minMaxIsThatOfAllBatches() throws {
    #expect(try calibrated(.minmax, [[1, 2], [-3, 0], [.nan, .infinity]]) == ValueRange(low: -3, high: 2))
    #expect(try calibrated(.minmax, [[.nan]]) == nil)
  }

  @Test func movingAveragesStartAtTheFirstBatch() throws {
    let range = try #require(try calibrated(.movingAverage, [[0, 1], [0, 2]]))
    #expect(abs(range.high - 1.01) < 1e-6)
  }

  @Test(arguments: [
    QuantizeStep.Calibrator.percentile(99.9), .percentile(50), .entropy, .mse,
  ]) func histogramsStayInsideWhatWasSeen(calibrator: QuantizeStep.Calibrator) throws {
    let cases: [[[Float]]] = [
      [[0, 0, 0]], [[-2, -1]], [[1]], [[0], [1e-3], [1e3]], [TestModels.numbers(5000, seed: 3)],
    ]
    for batches in cases {
      let range = try #require(try calibrated(calibrator, batches))
      let all = batches.flatMap { $0 }
      #expect(range.low >= min(all.min() ?? 0, 0) && range.high <= max(all.max() ?? 0, 0))
    }
  }

  @Test func growingKeepsEveryCount() {
    var histogram = Histogram()
    for batch in [[0, 0], [1, -1], [3, 100], [-7000]] as [[Float]] {
      batch.withUnsafeBufferPointer { histogram.add($0) }
    }
    #expect(histogram.total == 7)
    #expect(histogram.counts.reduce(0, +) == 7)
    #expect(histogram.limit >= 7000)
  }

  @Test func percentilesCutBothTails() throws {
    let values = (0..<10_000).map { Float($0) / 5000 - 1 }
    let range = try #require(try calibrated(.percentile(90), [values]))
    #expect(abs(range.low + 0.9) < 0.002)
    #expect(abs(range.high - 0.9) < 0.002)
  }

  /// One value far out stretches the whole grid.
  @Test func entropyCutsOffAnOutlier() throws {
    let values = TestModels.numbers(100_000, seed: 6) + [30]
    let range = try #require(try calibrated(.entropy, [values]))
    #expect(range.high < 20)
    #expect(range.high > 0.5)
  }

  @Test func theSearchErrsLessThanTheFullRange() throws {
    let values = TestModels.numbers(100_000, seed: 6) + [30]
    func error(_ range: ValueRange) -> Double {
      let parameters = ActivationParameters(range)
      return values.reduce(0) { sum, value in
        let code = (value / parameters.scale).rounded(.toNearestOrEven) + Float(parameters.zeroPoint)
        let restored = (min(max(code, 0), 255) - Float(parameters.zeroPoint)) * parameters.scale
        return sum + Double((value - restored) * (value - restored))
      }
    }
    let searched = try #require(try calibrated(.mse, [values]))
    let full = try #require(try calibrated(.minmax, [values]))
    #expect(error(searched) < error(full))
  }

  @Test func moments() throws {
    var image = ChannelMoments(channels: 2, isImage: true)
    image.add(try Tensor(shape: [1, 2, 2], [1, 3, 5, 7] as [Float]))
    #expect(try #require(image.moments).means == [2, 6])
    #expect(try #require(image.moments).deviations == [1, 1])
    var rows = ChannelMoments(channels: 2, isImage: false)
    rows.add(try Tensor(shape: [2, 2], [1, 3, 5, 7] as [Float]))
    #expect(try #require(rows.moments).means == [3, 5])
    #expect(try #require(rows.moments).deviations == [2, 2])
    rows.add(try Tensor(shape: [1, 2], [.infinity, 0] as [Float]))
    #expect(rows.moments == nil)
    #expect(ChannelMoments(channels: 2, isImage: false).moments == nil)
  }
}
