import GraphIR
import Tensors

/// `LinearRegressor` and `LinearClassifier`: x W + b in float32, as onnxruntime does for all input types.
struct LinearModelOperator: ShapedOperator {
  private let element: ElementType
  private let features: Int
  private let targets: Int
  /// `[features, targets]`, so that the inner loop runs over targets.
  private let weights: [Float]
  private let intercepts: [Float]
  private let transform: ScoreTransform
  /// nil: a regressor.
  private let labels: ClassLabels?

  init(_ source: OperatorSource, isClassifier: Bool) throws {
    let node = source.node
    element = try source.element(0, in: [.float32, .float64, .int32, .int64])
    labels = isClassifier ? try ClassLabels(node, integers: "classlabels_ints") : nil
    transform = try ScoreTransform(node)
    let coefficients = try node.floats("coefficients") ?? []
    let given = try node.floats("intercepts") ?? []
    if let labels {
      targets = given.isEmpty ? labels.count : given.count
      if targets != labels.count && !(targets == 1 && labels.count == 2) {
        throw OperatorFailure.unsupported("\(targets) intercepts for \(labels.count) classes")
      }
    } else {
      targets = try node.int("targets", default: 1)
    }
    if targets < 1 || coefficients.isEmpty || coefficients.count % targets != 0 {
      throw OperatorFailure.unsupported("\(coefficients.count) coefficients for \(targets) targets")
    }
    // A regressor's intercepts that do not fit its targets are not used.
    intercepts = given.count == targets ? given : Array(repeating: 0, count: targets)
    features = coefficients.count / targets
    weights = coefficients.transposed(rows: targets)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try FeatureShape(request.input(0).shape)
    if shape.columns != features {
      throw OperatorFailure.invalid("\(shape.columns) features do not fit \(features) coefficients")
    }
    let reader = FeatureReader(element: element, columns: features)
    let isPair = targets == 1 && labels?.count == 2
    let width = isPair ? 2 : targets
    let (hasLabels, hasScores) = (request.hasOutput(0), labels == nil || request.hasOutput(1))
    let ownBytes = (targets * MemoryLayout<Float>.stride + 63) & ~63
    return Kernel(
      labels == nil ? "linear_regressor" : "linear_classifier", units: shape.rows,
      costPerUnit: features * targets, threads: request.threads,
      threadScratch: ownBytes + reader.scratchBytes(rows: 1)
    ) { [self] operands, range in
      let own = operands.threadScratch.assumingMemoryBound(to: Float.self)
      for row in range {
        let sample = reader.rows(row, 1, of: operands.rawInput(0), scratch: operands.threadScratch + ownBytes)
        score(sample, own)
        if let labels, hasLabels { operands.output(0, as: Int.self)[row] = label(own, labels) }
        if !hasScores { continue }
        let output = operands.output(labels == nil ? 0 : 1, as: Float.self) + row * width
        if isPair {
          (output[0], output[1]) = transform.pair(own[0], isComplement: true)
        } else if targets == 1 {
          output[0] = transform.single(own[0])
        } else {
          output.update(from: own, count: targets)
          transform.apply(UnsafeMutableBufferPointer(start: output, count: targets))
        }
      }
    }
  }

  @inline(__always)
  private func score(_ sample: UnsafePointer<Float>, _ scores: UnsafeMutablePointer<Float>) {
    for target in 0..<targets { scores[target] = intercepts[target] }
    weights.withUnsafeBufferPointer { weights in
      guard var line = weights.baseAddress else { return }
      for feature in 0..<features {
        let value = sample[feature]
        for target in 0..<targets { scores[target] += value * line[target] }
        line += targets
      }
    }
  }

  private func label(_ scores: UnsafePointer<Float>, _ labels: ClassLabels) -> Int {
    if targets == 1 {
      let isPositive = scores[0] > 0
      return labels.count == 2 ? labels.integers[isPositive ? 1 : 0] : isPositive ? 1 : 0
    }
    var best = 0
    for target in 1..<targets where scores[target] > scores[best] { best = target }
    return labels.integers[best]
  }
}

extension [Float] {
  /// The matrix of `rows` rows with rows and columns exchanged.
  func transposed(rows: Int) -> [Float] {
    let columns = rows == 0 ? 0 : count / rows
    var result: [Float] = []
    result.reserveCapacity(count)
    for column in 0..<columns { for row in 0..<rows { result.append(self[row * columns + column]) } }
    return result
  }
}
