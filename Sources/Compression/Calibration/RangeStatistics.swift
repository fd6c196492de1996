import Tensors

/// What a calibrator knows of one tensor, in memory that does not grow with the number of samples.
struct RangeStatistics {
  private let calibrator: QuantizeStep.Calibrator
  private var range = ValueRange.empty
  private var movingRange: ValueRange?
  private var histogram: Histogram?

  /// The weight of a new batch in the moving average (Jacob et al. 2018, section 3.1).
  private static let movingWeight: Float = 0.01

  init(_ calibrator: QuantizeStep.Calibrator) {
    self.calibrator = calibrator
    switch calibrator {
    case .minmax, .movingAverage: histogram = nil
    case .percentile, .entropy, .mse: histogram = Histogram()
    }
  }

  /// Takes in one batch of float32 elements.
  mutating func add(_ tensor: Tensor) {
    tensor.withElements(Float.self) { elements in
      let batch = ValueRange(of: elements)
      if batch == .empty { return }
      range = range.union(batch)
      if let moving = movingRange {
        let weight = Self.movingWeight
        movingRange = ValueRange(
          low: moving.low + weight * (batch.low - moving.low),
          high: moving.high + weight * (batch.high - moving.high))
      } else {
        movingRange = batch
      }
      histogram?.add(elements)
    }
  }

  /// The range to quantize; nil when no finite value was seen.
  var calibrated: ValueRange? {
    if range == .empty { return nil }
    guard let histogram, histogram.limit > 0 else {
      return calibrator == .movingAverage ? movingRange : range
    }
    switch calibrator {
    case .minmax, .movingAverage: return range
    case .percentile(let percentile): return PercentileCalibrator.range(histogram, range, percentile)
    case .entropy: return EntropyCalibrator.range(histogram, range)
    case .mse: return MSECalibrator.range(histogram, range)
    }
  }
}
