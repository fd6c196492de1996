import Glibc
import Tensors

/// Adds up how well outputs fit the labels, batch by batch.
struct TaskScore {
  private let metric: Metric
  private let classes: [Int]?
  private let targets: [Double]?
  private var hits = 0
  private var errorSum = 0.0
  private var count = 0
  /// For each row so far, whether it was right; empty for metrics that are no fractions.
  private(set) var isRight: [Bool] = []

  /// - Throws: `CompressionError.dataset` when the labels do not suit the metric.
  init(_ metric: Metric, _ dataset: Dataset) throws(CompressionError) {
    self.metric = metric
    classes = dataset.classLabels
    targets = dataset.labels.flatMap(Self.numbers)
    switch metric {
    case .accuracy, .top5:
      if classes == nil {
        throw .dataset(
          "metric \(metric.rawValue) needs an integer array 'labels' with one class for each row")
      }
    case .rmse, .mae:
      if targets == nil { throw .dataset("metric \(metric.rawValue) needs a numeric array 'labels'") }
    case .agreement, .kl, .sqnr, .cosine:
      throw .dataset("metric \(metric.rawValue) compares two models; it does not use labels")
    }
  }

  /// - Parameters:
  ///   - output: float32; `[rows, classes]` for fractions, any shape of the targets' size else.
  ///   - rows: of the dataset that `output` belongs to.
  mutating func add(_ output: Tensor, rows: Range<Int>) throws(CompressionError) {
    switch metric {
    case .accuracy: try addHits(output, rows, within: 1)
    case .top5: try addHits(output, rows, within: 5)
    default: try addErrors(output, rows)
    }
  }

  var result: MetricResult {
    switch metric {
    case .accuracy, .top5:
      let interval = PairedStatistics.wilsonInterval(successes: hits, of: count)
      return MetricResult(
        name: metric, value: Double(hits) / Double(max(count, 1)), low: interval?.low, high: interval?.high,
        samples: count)
    default:
      let mean = errorSum / Double(max(count, 1))
      let value = metric == .rmse ? mean.squareRoot() : mean
      return MetricResult(name: metric, value: value.isFinite ? value : nil, samples: isRight.count)
    }
  }

  private mutating func addHits(_ output: Tensor, _ rows: Range<Int>, within best: Int)
    throws(CompressionError)
  {
    guard let classes, let scores = ClassScores(output, rows: rows.count) else {
      throw .dataset("metric \(metric.rawValue) needs a first output [rows, classes]; it is \(output.shape)")
    }
    for row in 0..<rows.count {
      let label = classes[rows.lowerBound + row]
      let isHit = scores.rank(of: label, inRow: row).map { $0 < best } ?? false
      hits += isHit ? 1 : 0
      isRight.append(isHit)
    }
    count += rows.count
  }

  private mutating func addErrors(_ output: Tensor, _ rows: Range<Int>) throws(CompressionError) {
    guard let targets, output.type == .float32, let extent = output.shape.dimensions.first, extent > 0 else {
      throw .dataset("metric \(metric.rawValue) needs a float32 first output; it is \(output.type.name)")
    }
    let width = output.elementCount / extent
    let total = targets.count
    guard (rows.upperBound) * width <= total else {
      throw .dataset("labels hold \(total) numbers; the first output has \(width) for each row")
    }
    output.withElements(Float.self) { elements in
      for index in 0..<rows.count * width {
        let error = Double(elements[index]) - targets[rows.lowerBound * width + index]
        errorSum += metric == .rmse ? error * error : abs(error)
      }
    }
    count += rows.count * width
    isRight += [Bool](repeating: false, count: rows.count)
  }

  private static func numbers(_ tensor: Tensor) -> [Double]? {
    switch tensor.type {
    case .float32: tensor.array(of: Float.self).map(Double.init)
    case .float64: tensor.array(of: Double.self)
    case .int64: tensor.array(of: Int64.self).map(Double.init)
    case .int32: tensor.array(of: Int32.self).map(Double.init)
    default: nil
    }
  }
}

/// A `[rows, classes]` output read as scores. Equal scores rank by class index, as numpy's argmax does.
struct ClassScores {
  private let scores: [Float]
  let classes: Int
  let rows: Int

  /// - Parameter rows: the first so many are looked at.
  init?(_ output: Tensor, rows: Int) {
    guard output.type == .float32, output.shape.rank >= 2, output.shape[0] >= rows, output.shape[0] > 0 else {
      return nil
    }
    classes = output.elementCount / output.shape[0]
    // Scores of several positions for each row (`[rows, positions, classes]`) are no single decision.
    guard output.shape.dimensions.dropFirst().filter({ $0 != 1 }).count == 1, classes >= 2 else { return nil }
    self.rows = rows
    scores = output.array(of: Float.self)
  }

  func row(_ row: Int) -> ArraySlice<Float> { scores[row * classes..<(row + 1) * classes] }

  func argmax(_ row: Int) -> Int {
    var best = 0
    for index in 1..<classes where scores[row * classes + index] > scores[row * classes + best] {
      best = index
    }
    return best
  }

  /// How many classes stand before `label` in this row; nil when there is no such class.
  func rank(of label: Int, inRow row: Int) -> Int? {
    guard (0..<classes).contains(label) else { return nil }
    let own = scores[row * classes + label]
    if own.isNaN { return nil }
    var better = 0
    for index in 0..<classes {
      let other = scores[row * classes + index]
      if other > own || (other == own && index < label) { better += 1 }
    }
    return better
  }

  /// The logarithm of the row's softmax.
  func logSoftmax(_ row: Int) -> [Double] {
    let values = self.row(row).map(Double.init)
    let largest = values.max() ?? 0
    let sum = values.reduce(0) { $0 + exp($1 - largest) }
    return values.map { $0 - largest - log(sum) }
  }
}
