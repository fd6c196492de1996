import Tensors

/// The error that quantization makes in the outputs of layers with one input, simulated on rows of the calibration
/// data: activations and weights rounded as the step says.
struct SmoothingError {
  private let step: QuantizeStep
  private let sample: SmoothingSample
  private let layers: [WeightLayer]
  /// The float outputs of each layer, `[rows, columns]`.
  private let outputs: [[Double]]
  private let energy: Double

  init(_ step: QuantizeStep, _ sample: SmoothingSample, _ layers: [WeightLayer]) {
    var step = step
    // What solvers gain is not looked at: they would run once for every candidate.
    step.method = .round
    self.step = step
    self.sample = sample
    self.layers = layers
    let rows = sample.rows.map { Double($0) }
    outputs = layers.map { Self.product(rows, $0) }
    energy = outputs.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } }
  }

  /// Noise by signal over all layers; 0 where the outputs are zero.
  /// - Parameter factors: what the inputs are divided by and the weights multiplied with.
  func relative(_ factors: [Float]) throws(CompressionError) -> Double {
    if energy == 0 { return 0 }
    let rows = quantizedRows(factors)
    let meanSquare = (0..<sample.depth).map { k in
      sample.meanSquare[k / sample.taps] / Double(factors[k / sample.taps] * factors[k / sample.taps])
    }
    let statistics = InputStatistics(
      rows: sample.rows.count / sample.depth, mean: [], meanSquare: meanSquare, meanMagnitude: [],
      largest: [], gram: [], folds: [])
    var noise = 0.0
    for (layer, expected) in zip(layers, outputs) {
      var coded = layer.multiplied(by: factors)
      let weight = try WeightCoder(step).code(coded, statistics)
      coded.weights = try tensors { () throws(TensorError) in try weight.decoded(layer.weightAxes) }
      let actual = Self.product(rows, coded)
      for index in expected.indices {
        noise += (expected[index] - actual[index]) * (expected[index] - actual[index])
      }
    }
    return noise / energy
  }

  private static func product(_ rows: [Double], _ layer: WeightLayer) -> [Double] {
    let layout = layer.matrix
    return DenseProduct.multiply(
      rows, layer.matrix(of: layer.weights, group: 0).map { Double($0) }, rows: rows.count / layout.depth,
      inner: layout.depth, columns: layout.columns)
  }

  // MARK: Activations

  private func quantizedRows(_ factors: [Float]) -> [Double] {
    let depth = sample.depth
    var rows = sample.rows
    for index in rows.indices { rows[index] /= factors[index % depth / sample.taps] }
    switch step.mode {
    case .none: break
    case .dynamic where step.activationScale == .row: Self.roundEachRow(&rows, depth)
    case .dynamic: Self.round(&rows, ActivationParameters(extent(factors)))
    case .static: Self.round(&rows, ActivationParameters(range(rows, factors), step.activationType))
    }
    return rows.map { Double($0) }
  }

  /// What all values of the calibration data lie in.
  private func extent(_ factors: [Float]) -> ValueRange {
    var range = ValueRange(low: 0, high: 0)
    for (channel, factor) in factors.enumerated() {
      range.low = min(range.low, sample.lows[channel] / factor)
      range.high = max(range.high, sample.highs[channel] / factor)
    }
    return range
  }

  /// What the step's calibrator finds; one that cuts off sees the sample only.
  private func range(_ rows: [Float], _ factors: [Float]) -> ValueRange {
    switch step.calibrator {
    case .minmax, .movingAverage: return extent(factors)
    case .percentile, .entropy, .mse:
      var statistics = RangeStatistics(step.calibrator)
      guard let tensor = try? Tensor(shape: [rows.count], rows) else { return extent(factors) }
      statistics.add(tensor)
      return statistics.calibrated ?? extent(factors)
    }
  }

  private static func round(_ rows: inout [Float], _ parameters: ActivationParameters) {
    let codes = parameters.type.codes
    let (lowest, highest) = (Float(codes.lowerBound), Float(codes.upperBound))
    let (scale, zero) = (parameters.scale, Float(parameters.zeroPoint))
    for index in rows.indices {
      let code = (rows[index] / scale).rounded(.toNearestOrEven) + zero
      rows[index] = (min(max(code, lowest), highest) - zero) * scale
    }
  }

  private static func roundEachRow(_ rows: inout [Float], _ depth: Int) {
    for start in stride(from: 0, to: rows.count, by: depth) {
      let scale = rows[start..<start + depth].reduce(0) { max($0, abs($1)) } / 127
      if scale < .leastNormalMagnitude { continue }
      for index in start..<start + depth {
        rows[index] = (rows[index] / scale).rounded(.toNearestOrEven) * scale
      }
    }
  }
}
