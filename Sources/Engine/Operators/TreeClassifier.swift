import GraphIR
import Tensors

/// `TreeEnsembleClassifier`. Where the ONNX text is silent about two classes, it does what onnxruntime does:
///
/// * Votes for the first class only stand for the second, and the first gets what is missing to 1, or the negative when
///   some weight is negative.
/// * When both classes get votes, the label is 1 if the second class's score is above 0, else 0, whatever the integer
///   labels are; two base values then replace both scores by the first one's.
struct TreeClassifierOperator<Number: ScoreNumber>: ShapedOperator {
  private let kernel: ForestKernel<Number>
  private let labels: ClassLabels
  private let base: [Number]
  private let transform: ScoreTransform
  /// Two labels, and votes for one class only.
  private let isBinary: Bool
  private let weightsArePositive: Bool

  init(_ source: OperatorSource) throws {
    let node = source.node
    labels = try ClassLabels(node, integers: "classlabels_int64s")
    let reader = NamedTreeReader(node: node)
    let list = try reader.read("class", targets: labels.count)
    base = try reader.numbersOf("base_values").map { Number($0) }
    transform = try ScoreTransform(node)
    let voted = Set(try node.ints("class_ids") ?? [])
    isBinary = labels.count == 2 && voted.count == 1
    weightsArePositive = try reader.numbersOf("class_weights").allSatisfy { $0 >= 0 }
    if !base.isEmpty && base.count != labels.count && !(labels.count == 2 && base.count == 1) {
      throw OperatorFailure.unsupported("\(base.count) base values for \(labels.count) classes")
    }
    kernel = ForestKernel(
      scores: ForestScores(
        forest: try DecisionForest(list), targets: labels.count, aggregate: .sum),
      element: source.element(0) ?? .float32)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (hasLabels, hasScores) = (request.hasOutput(0), request.hasOutput(1))
    return try kernel.kernel("tree_classifier", request) { [self] operands, first, count, block in
      finish(first, count, block, hasLabels ? operands.output(0) : nil, hasScores ? operands.output(1) : nil)
    }
  }

  @_specialize(where Number == Float)
  @_specialize(where Number == Double)
  private func finish(
    _ first: Int, _ count: Int, _ block: ForestScores<Number>.Block, _ classes: UnsafeMutablePointer<Int>?,
    _ results: UnsafeMutablePointer<Float>?
  ) {
    let width = labels.count
    for row in 0..<count {
      let scores = UnsafeMutableBufferPointer(start: block.scores + row * width, count: width)
      let hasVotes = block.hasVotes + row * width
      let label =
        width == 1 ? one(scores) : width == 2 ? two(scores, hasVotes) : several(scores, hasVotes)
      classes?[first + row] = label
      guard let results else { continue }
      for index in 0..<width { results[(first + row) * width + index] = Float(scores[index]) }
    }
  }

  private func one(_ scores: UnsafeMutableBufferPointer<Number>) -> Int {
    if let base = base.first { scores[0] += base }
    let label = scores[0] > 0 ? 1 : 0
    scores[0] = transform.single(scores[0])
    return label
  }

  private func several(
    _ scores: UnsafeMutableBufferPointer<Number>, _ hasVotes: UnsafeMutablePointer<Bool>
  ) -> Int {
    var best: Int?
    for index in scores.indices {
      if !base.isEmpty { scores[index] += base[index] }
      guard hasVotes[index] || !base.isEmpty else { continue }
      if let current = best, scores[index] <= scores[current] { continue }
      best = index
    }
    transform.apply(scores)
    return labels.integers[best ?? 0]
  }

  private func two(
    _ scores: UnsafeMutableBufferPointer<Number>, _ hasVotes: UnsafeMutablePointer<Bool>
  ) -> Int {
    let isAlone = !hasVotes[1]
    if base.count == 2 {
      if isAlone {
        scores[0] += base[0]
        let label = label(scores[0])
        transform.apply(scores)
        return label
      }
      scores[1] = base[1] + scores[0]
      scores[0] = hasVotes[0] ? -scores[1] : 0
    } else if let only = base.first, isAlone || hasVotes[0] {
      scores[0] += only
    }
    let label = label(isAlone ? scores[0] : scores[1])
    if isAlone {
      (scores[0], scores[1]) = transform.pair(scores[0], isComplement: isBinary && weightsArePositive)
    } else {
      transform.apply(scores)
    }
    return label
  }

  private func label(_ positive: Number) -> Int {
    if !isBinary { return positive > 0 ? 1 : 0 }
    return labels.integers[positive > (weightsArePositive ? 0.5 : 0) ? 1 : 0]
  }
}
