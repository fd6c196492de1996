import GraphIR
import Tensors

/// `SVMClassifier`: one linear score for each class without support vectors (liblinear), else a vote of one machine for
/// each pair of classes (libsvm), whose margins or probabilities are the scores.
struct SupportVectorClassifier: ShapedOperator {
  private let element: ElementType
  private let labels: ClassLabels
  private let vectors: SupportVectors
  /// Where each class's support vectors begin, and the end; nil: one "vector" for each class.
  private let starts: [Int]?
  /// `[classes - 1, vectors]`.
  private let coefficients: [Float]
  private let rho: [Float]
  /// Of Platt scaling, for each pair; empty: scores are margins.
  private let slopes: [Float]
  private let shifts: [Float]
  private let transform: ScoreTransform
  private let weightsArePositive: Bool

  init(_ source: OperatorSource) throws {
    let node = source.node
    element = try source.element(0, in: [.float32, .float64, .int32, .int64])
    labels = try ClassLabels(node, integers: "classlabels_ints")
    transform = try ScoreTransform(node)
    let counts = try node.ints("vectors_per_class") ?? []
    coefficients = try node.floats("coefficients") ?? []
    rho = try node.floats("rho") ?? []
    slopes = try node.floats("prob_a") ?? []
    shifts = try node.floats("prob_b") ?? []
    weightsArePositive = coefficients.allSatisfy { $0 >= 0 }
    if counts.contains(where: { $0 < 0 || $0 > 1 << 31 }) || counts.count > 65_535 {
      throw OperatorFailure.invalid("vectors_per_class is out of range")
    }
    let count = counts.reduce(0, +)
    if count == 0 {
      starts = nil
      vectors = try SupportVectors(node, vectors: coefficients, count: labels.count, isLinear: true)
      if rho.isEmpty { throw OperatorFailure.invalid("rho is empty") }
      return
    }
    vectors = try SupportVectors(
      node, vectors: try node.floats("support_vectors") ?? [], count: count, isLinear: false)
    starts = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let pairs = labels.count * (labels.count - 1) / 2
    if counts.count != labels.count || labels.count < 2 || coefficients.count < (labels.count - 1) * count
      || rho.count < pairs || slopes.count != shifts.count || (!slopes.isEmpty && slopes.count < pairs)
    {
      throw OperatorFailure.invalid("coefficients, rho or probabilities do not fit \(labels.count) classes")
    }
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try FeatureShape(request.input(0).shape)
    if shape.columns != vectors.features {
      throw OperatorFailure.invalid("\(shape.columns) features, not \(vectors.features)")
    }
    let reader = FeatureReader(element: element, columns: shape.columns)
    let classes = labels.count
    let layout = AreaLayout(
      classes: classes, vectors: vectors.count, isPairwise: starts != nil, hasProbabilities: !slopes.isEmpty)
    let hasLabels = request.hasOutput(0)
    let width = request.hasOutput(1) ? try request.output(1).shape[1] : 0
    return Kernel(
      "svm_classifier", units: shape.rows,
      costPerUnit: vectors.count * (shape.columns + 8 + classes), threads: request.threads,
      threadScratch: layout.byteCount + reader.scratchBytes(rows: 1)
    ) { [self] operands, range in
      let scratch = layout.areas(operands.threadScratch)
      for row in range {
        let sample = reader.rows(
          row, 1, of: operands.rawInput(0), scratch: operands.threadScratch + layout.byteCount)
        let best = starts == nil ? linear(sample, scratch) : vote(sample, scratch)
        if hasLabels { operands.output(0, as: Int.self)[row] = labels.integers[best] }
        if width > 0 { write(scratch, operands.output(1, as: Float.self) + row * width, width) }
      }
    }
  }

  /// Scores and the class of the largest one. Of two classes onnxruntime takes the second whenever the larger score
  /// is above 0, or from 0.5 when no coefficient is negative.
  private func linear(_ sample: UnsafePointer<Float>, _ scratch: Areas) -> Int {
    vectors.compare(sample, scratch.scores)
    var best = 0
    for index in 0..<labels.count {
      scratch.scores[index] += rho[0]
      if scratch.scores[index] > scratch.scores[best] { best = index }
    }
    if labels.count == 2 && slopes.isEmpty {
      let top = scratch.scores[best]
      if weightsArePositive ? top >= 0.5 : top > 0 { return 1 }
    }
    return best
  }

  /// The margin of each pair of classes, and the class that wins most pairs.
  private func vote(_ sample: UnsafePointer<Float>, _ scratch: Areas) -> Int {
    guard let starts else { return 0 }
    vectors.compare(sample, scratch.similarity)
    for index in 0..<labels.count { scratch.votes[index] = 0 }
    var pair = 0
    for i in 0..<(labels.count - 1) {
      for j in (i + 1)..<labels.count {
        var sum = Double(rho[pair])
        for vector in starts[i]..<starts[i + 1] {
          sum += Double(coefficients[(j - 1) * vectors.count + vector] * scratch.similarity[vector])
        }
        for vector in starts[j]..<starts[j + 1] {
          sum += Double(coefficients[i * vectors.count + vector] * scratch.similarity[vector])
        }
        scratch.scores[pair] = Float(sum)
        scratch.votes[sum > 0 ? i : j] += 1
        pair += 1
      }
    }
    var best = 0
    for index in 1..<labels.count where scratch.votes[index] > scratch.votes[best] { best = index }
    return best
  }

  private func write(_ scratch: Areas, _ output: UnsafeMutablePointer<Float>, _ width: Int) {
    if starts != nil && slopes.isEmpty && labels.count == 2 {
      (output[0], output[1]) = transform.pair(scratch.scores[0], isComplement: transform != .none)
      return
    }
    if starts != nil && !slopes.isEmpty {
      PairwiseProbabilities.combine(scratch, classes: labels.count, slopes: slopes, shifts: shifts, output)
    } else {
      output.update(from: scratch.scores, count: width)
    }
    if width == 1 {
      output[0] = transform.single(output[0])
    } else {
      transform.apply(UnsafeMutableBufferPointer(start: output, count: width))
    }
  }

  /// Memory that one sample needs.
  struct Areas {
    let similarity: UnsafeMutablePointer<Float>
    /// One for each class or pair of classes.
    let scores: UnsafeMutablePointer<Float>
    let votes: UnsafeMutablePointer<Float>
    /// `[classes, classes]` each, and a row.
    let pairwise: UnsafeMutablePointer<Float>
    let products: UnsafeMutablePointer<Float>
    let row: UnsafeMutablePointer<Float>
  }

  private struct AreaLayout {
    let counts: [Int]

    init(classes: Int, vectors: Int, isPairwise: Bool, hasProbabilities: Bool) {
      let square = hasProbabilities ? classes * classes : 0
      let scores = isPairwise ? classes * (classes - 1) / 2 : classes
      counts = [vectors, scores, classes, square, square, classes]
    }

    var byteCount: Int { (counts.reduce(0, +) * MemoryLayout<Float>.stride + 63) & ~63 }

    func areas(_ memory: UnsafeMutableRawPointer) -> Areas {
      var next = memory.assumingMemoryBound(to: Float.self)
      func take(_ index: Int) -> UnsafeMutablePointer<Float> {
        defer { next += counts[index] }
        return next
      }
      return Areas(
        similarity: take(0), scores: take(1), votes: take(2), pairwise: take(3), products: take(4),
        row: take(5))
    }
  }
}

/// Class probabilities from those of each pair of classes: T. Wu, C. Lin and R. Weng, "Probability Estimates for
/// Multi-class Classification by Pairwise Coupling" (JMLR 2004), the second method, as libsvm computes it.
enum PairwiseProbabilities {
  private static let iterations = 100

  static func combine(
    _ scratch: SupportVectorClassifier.Areas, classes: Int, slopes: [Float], shifts: [Float],
    _ result: UnsafeMutablePointer<Float>
  ) {
    let (r, q, qp) = (scratch.pairwise, scratch.products, scratch.row)
    var pair = 0
    for i in 0..<(classes - 1) {
      for j in (i + 1)..<classes {
        let margin = scratch.scores[pair] * slopes[pair] + shifts[pair]
        let probability = min(max(1 - ScoreTransform.logistic(margin), 1e-7), 1 - 1e-7)
        r[i * classes + j] = probability
        r[j * classes + i] = 1 - probability
        pair += 1
      }
    }
    for i in 0..<classes {
      result[i] = 1 / Float(classes)
      q[i * classes + i] = 0
      for j in 0..<classes where j != i {
        q[i * classes + i] += r[j * classes + i] * r[j * classes + i]
        q[i * classes + j] = -r[j * classes + i] * r[i * classes + j]
      }
    }
    for _ in 0..<iterations where refine(classes, q, qp, result) { return }
  }

  /// One round over all classes; true when nothing was left to do.
  private static func refine(
    _ classes: Int, _ q: UnsafeMutablePointer<Float>, _ qp: UnsafeMutablePointer<Float>,
    _ p: UnsafeMutablePointer<Float>
  ) -> Bool {
    var total: Float = 0
    for i in 0..<classes {
      qp[i] = 0
      for j in 0..<classes { qp[i] += q[i * classes + j] * p[j] }
      total += p[i] * qp[i]
    }
    var worst: Float = 0
    for i in 0..<classes { worst = max(worst, abs(qp[i] - total)) }
    if worst < 0.005 / Float(classes) { return true }
    for i in 0..<classes {
      let step = (total - qp[i]) / q[i * classes + i]
      p[i] += step
      let scale = 1 + step
      total = (total + step * (step * q[i * classes + i] + 2 * qp[i])) / scale / scale
      for j in 0..<classes {
        qp[j] = (qp[j] + step * q[i * classes + j]) / scale
        p[j] /= scale
      }
    }
    return false
  }
}
