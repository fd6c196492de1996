/// Adds up how far predictions are from numeric targets, batch by batch.
struct RegressionScore: Sendable {
  /// Numbers for each row.
  let width: Int
  private(set) var rows = 0
  private var squares: [Double]
  private var magnitudes: [Double]
  /// Mean and sum of squared distances from it, of the targets so far (Welford 1962).
  private var means: [Double]
  private var spreads: [Double]

  init(width: Int) {
    self.width = width
    squares = [Double](repeating: 0, count: width)
    magnitudes = squares
    means = squares
    spreads = squares
  }

  /// Adds one row of `width` numbers.
  mutating func add(_ prediction: some Collection<Float>, _ target: some Collection<Double>) {
    precondition(prediction.count == width && target.count == width, "rows have \(width) numbers")
    rows += 1
    for (index, (value, wanted)) in zip(prediction, target).enumerated() {
      let error = Double(value) - wanted
      squares[index] += error * error
      magnitudes[index] += abs(error)
      let distance = wanted - means[index]
      means[index] += distance / Double(rows)
      spreads[index] += distance * (wanted - means[index])
    }
  }

  /// Root mean squared error over all numbers; nil without rows or when a number was not finite.
  var rootMeanSquare: Double? { mean(squares)?.squareRoot() }

  var meanMagnitude: Double? { mean(magnitudes) }

  /// The coefficient of determination 1 − Σ(y − ŷ)² / Σ(y − ȳ)², the mean over the columns. A column of equal targets
  /// counts 1 when it is met and else 0, as scikit-learn's `r2_score`.
  /// - Returns: nil for fewer than two rows or when a number was not finite.
  var determination: Double? {
    if rows < 2 || width == 0 { return nil }
    var sum = 0.0
    for index in 0..<width {
      if spreads[index] == 0 {
        sum += squares[index] == 0 ? 1 : squares[index].isNaN ? .nan : 0
      } else {
        sum += 1 - squares[index] / spreads[index]
      }
    }
    return sum.isFinite ? sum / Double(width) : nil
  }

  private func mean(_ sums: [Double]) -> Double? {
    let value = sums.reduce(0, +) / Double(rows * width)
    return value.isFinite ? value : nil
  }
}
