import GraphIR
import Tensors

/// `TreeEnsemble` and `TreeEnsembleRegressor`: what the trees vote for each target, put together.
struct TreeRegressorOperator: DynamicOperator {
  private enum Aggregate: String, CaseIterable {
    case average = "AVERAGE"
    case sum = "SUM"
    case min = "MIN"
    case max = "MAX"
  }
  private let forest: DecisionForest
  private let targets: Int
  private let aggregate: Aggregate
  private let base: [Double]
  private let transform: ScoreTransform
  private let output: ElementType

  init(_ source: OperatorSource) throws {
    let node = source.node
    targets = try node.int("n_targets", default: 1)
    output = source.outputElement() ?? .float32
    if output != .float32 && output != .float64 { throw OperatorFailure.type(output) }
    if node.op.type == "TreeEnsemble" {
      forest = try IndexedTreeReader(node: node).read(targets: targets)
      let number = try node.int("aggregate_function", default: 1)
      guard Aggregate.allCases.indices.contains(number) else {
        throw OperatorFailure.unsupported("aggregate_function \(number)")
      }
      aggregate = Aggregate.allCases[number]
      let post = try node.int("post_transform", default: 0)
      guard ScoreTransform.allCases.indices.contains(post) else {
        throw OperatorFailure.unsupported("post_transform \(post)")
      }
      transform = ScoreTransform.allCases[post]
      base = []
    } else {
      let reader = NamedTreeReader(node: node)
      forest = try reader.read("target", targets: targets)
      aggregate = try node.choice("aggregate_function", default: .sum)
      transform = try ScoreTransform.read(node)
      base = try reader.numbersOf("base_values")
    }
    if !base.isEmpty && base.count != targets {
      throw OperatorFailure.unsupported("\(base.count) base values for \(targets) targets")
    }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let features = try FeatureRows(inputs[0])
    var results: [Double] = []
    for row in 0..<features.rows {
      var scores = [Double?](repeating: nil, count: targets)
      try forest.votes(features[row]) { vote in
        guard let score = scores[vote.target] else {
          scores[vote.target] = vote.weight
          return
        }
        switch aggregate {
        case .sum, .average: scores[vote.target] = score + vote.weight
        case .min: scores[vote.target] = Swift.min(score, vote.weight)
        case .max: scores[vote.target] = Swift.max(score, vote.weight)
        }
      }
      let totals = scores.enumerated().map { target, score in
        let value = score ?? 0
        let share = aggregate == .average ? value / Double(max(forest.roots.count, 1)) : value
        return share + (base.isEmpty ? 0 : base[target])
      }
      results += transform(totals)
    }
    let shape: Shape = [features.rows, targets]
    if output == .float64 { return [.tensor(try Tensor(shape: shape, results))] }
    return [.tensor(try Tensor(shape: shape, results.map { Float($0) }))]
  }
}

/// `TreeEnsembleClassifier`. As onnxruntime does, votes for one class only decide between two: the other class
/// gets what is missing to 1 when all weights are probabilities, else the negative.
struct TreeClassifierOperator: DynamicOperator {
  private let forest: DecisionForest
  private let labels: ClassLabels
  private let base: [Double]
  private let transform: ScoreTransform
  private let isBinary: Bool
  private let weightsArePositive: Bool

  init(_ node: Node) throws {
    labels = try ClassLabels(node, integers: "classlabels_int64s")
    let reader = NamedTreeReader(node: node)
    forest = try reader.read("class", targets: labels.count)
    base = try reader.numbersOf("base_values")
    transform = try ScoreTransform.read(node)
    let classes = Set(try node.ints("class_ids") ?? [])
    isBinary = labels.count == 2 && classes.count == 1
    weightsArePositive = try reader.numbersOf("class_weights").allSatisfy { $0 >= 0 }
    if !base.isEmpty && base.count != (isBinary ? 1 : labels.count) {
      throw OperatorFailure.unsupported("\(base.count) base values for \(labels.count) classes")
    }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let features = try FeatureRows(inputs[0])
    var classes: [Int] = []
    var results: [Float] = []
    for row in 0..<features.rows {
      var scores = [Double](repeating: 0, count: labels.count)
      for (index, value) in base.enumerated() { scores[index] = value }
      if isBinary {
        var sum = base.first ?? 0
        try forest.votes(features[row]) { sum += $0.weight }
        classes.append(sum > (weightsArePositive ? 0.5 : 0) ? 1 : 0)
        results += pair(sum).map { Float($0) }
      } else {
        try forest.votes(features[row]) { scores[$0.target] += $0.weight }
        classes.append(scores.firstLargest)
        results += transform(scores).map { Float($0) }
      }
    }
    return [
      .tensor(try labels.tensor(classes)),
      .tensor(try Tensor(shape: [features.rows, labels.count], results)),
    ]
  }

  private func pair(_ sum: Double) -> [Double] {
    if weightsArePositive { return [1 - sum, sum] }
    return transform == .logistic ? transform([-sum, sum]) : [-sum, sum]
  }
}
