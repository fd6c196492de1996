import Tensors

/// Adds up how well outputs fit the labels, batch by batch.
struct TaskScore {
  private let metric: Metric
  /// Row-major, one or more for each row of the dataset.
  private let classes: [Int]
  private let targets: [Double]
  private let datasetRows: Int
  private var hits = 0
  private var confusion = ConfusionCounts()
  private var regression: RegressionScore?
  private var perplexity = PerplexityScore()
  /// What ranks are made of: scores `[labels, width]`.
  private var ranked: (scores: [Float], labels: [Int], width: Int) = ([], [], 0)
  /// For each decision so far, whether it was right; empty for metrics that are no fractions.
  private(set) var isRight: [Bool] = []

  /// - Throws: `CompressionError.dataset` when the labels do not suit the metric.
  init(_ metric: Metric, _ dataset: Dataset) throws(CompressionError) {
    self.metric = metric
    datasetRows = dataset.rows
    let integers = dataset.labelIntegers
    let numbers = dataset.labels.flatMap(Self.numbers)
    classes = integers ?? []
    targets = numbers ?? []
    switch metric {
    case .accuracy, .top5, .f1, .auroc, .perplexity:
      if integers == nil || classes.count % dataset.rows != 0 {
        throw .dataset(
          "metric \(metric.rawValue) needs an integer array 'labels' with one class for each row or position")
      }
    case .rmse, .mae, .r2:
      if numbers == nil { throw .dataset("metric \(metric.rawValue) needs a numeric array 'labels'") }
    case .agreement, .kl, .sqnr, .cosine:
      throw .dataset("metric \(metric.rawValue) compares two models; it does not use labels")
    }
  }

  /// - Parameters:
  ///   - output: float32; class scores for metrics of classes, any shape of the targets' size else.
  ///   - rows: of the dataset that `output` belongs to.
  mutating func add(_ output: Tensor, rows: Range<Int>) throws(CompressionError) {
    switch metric {
    case .rmse, .mae, .r2: try addErrors(output, rows)
    default: try addClasses(output, rows)
    }
  }

  var result: MetricResult {
    var value: Double?
    switch metric {
    case .accuracy, .top5:
      let interval = PairedStatistics.wilsonInterval(successes: hits, of: isRight.count)
      return MetricResult(
        name: metric, value: Double(hits) / Double(max(isRight.count, 1)), low: interval?.low,
        high: interval?.high, samples: isRight.count)
    case .f1: return MetricResult(name: metric, value: confusion.f1, samples: confusion.samples)
    case .auroc: return MetricResult(name: metric, value: area, samples: ranked.labels.count)
    case .perplexity:
      return MetricResult(name: metric, value: perplexity.value, samples: perplexity.positions)
    case .mae: value = regression?.meanMagnitude
    case .r2: value = regression?.determination
    default: value = regression?.rootMeanSquare
    }
    return MetricResult(name: metric, value: value, samples: regression?.rows ?? 0)
  }

  private var area: Double? {
    if ranked.width == 1 {
      return RankScore.auroc(ranked.scores, isPositive: ranked.labels.map { $0 != 0 })
    }
    return ranked.width == 0
      ? nil : RankScore.auroc(ranked.scores, classes: ranked.width, labels: ranked.labels)
  }

  private mutating func addClasses(_ output: Tensor, _ rows: Range<Int>) throws(CompressionError) {
    guard let scores = ClassScores(output, rows: rows.count), scores.classes > 1 || metric != .perplexity
    else {
      throw .dataset(
        "metric \(metric.rawValue) needs a first output of class scores, [rows, classes] or "
          + "[rows, positions, classes]; it is \(output.type.name) \(output.shape)")
    }
    let labelsPerRow = classes.count / datasetRows
    guard labelsPerRow == scores.positions else {
      throw .dataset(
        "labels hold \(labelsPerRow) classes for each row; the first output has \(scores.positions)")
    }
    for place in 0..<scores.count {
      let label = classes[rows.lowerBound * labelsPerRow + place]
      // Positions of padding.
      if label < 0 && labelsPerRow > 1 { continue }
      // Perplexity sees to its labels itself.
      if metric != .perplexity, !(0..<max(scores.classes, 2)).contains(label) {
        throw .dataset("label \(label) is no class; the first output has \(max(scores.classes, 2))")
      }
      try add(label, scores, place)
    }
  }

  private mutating func add(_ label: Int, _ scores: ClassScores, _ place: Int) throws(CompressionError) {
    switch metric {
    case .f1: confusion.add(predicted: scores.argmax(place), actual: label)
    case .auroc:
      ranked.width = scores.classes
      ranked.scores += scores.row(place)
      ranked.labels.append(label)
    case .perplexity:
      if !perplexity.add(scores.row(place), label: label) {
        throw .dataset("label \(label) is no class; the first output has \(scores.classes)")
      }
    default:
      let best = metric == .top5 ? 5 : 1
      let isHit = scores.rank(of: label, inRow: place).map { $0 < best } ?? false
      hits += isHit ? 1 : 0
      isRight.append(isHit)
    }
  }

  private mutating func addErrors(_ output: Tensor, _ rows: Range<Int>) throws(CompressionError) {
    guard output.type == .float32, let extent = output.shape.dimensions.first, extent > 0 else {
      throw .dataset("metric \(metric.rawValue) needs a float32 first output; it is \(output.type.name)")
    }
    let width = output.elementCount / extent
    guard width > 0, rows.upperBound * width <= targets.count, rows.count <= extent else {
      throw .dataset("labels hold \(targets.count) numbers; the first output has \(width) for each row")
    }
    var score = regression ?? RegressionScore(width: width)
    guard score.width == width else {
      throw .dataset("metric \(metric.rawValue) needs as many numbers for each row; they differ")
    }
    output.withElements(Float.self) { elements in
      for row in 0..<rows.count {
        let first = (rows.lowerBound + row) * width
        score.add(elements[row * width..<(row + 1) * width], targets[first..<first + width])
      }
    }
    regression = score
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
