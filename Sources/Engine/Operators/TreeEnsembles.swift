import GraphIR
import Tensors

extension EngineTable {
  /// A forest of float64 for float64 features, else of float32: as onnxruntime chooses.
  static func treeEnsemble(_ source: OperatorSource) throws -> OperatorImplementation {
    let isDouble =
      try source.element(0, in: [.float32, .float64, .int32, .int64, .float16]) == .float64
    func make(_ source: OperatorSource) throws -> any ShapedOperator {
      if source.node.op.type == "TreeEnsembleClassifier" {
        return isDouble
          ? try TreeClassifierOperator<Double>(source) : try TreeClassifierOperator<Float>(source)
      }
      return isDouble ? try TreeRegressorOperator<Double>(source) : try TreeRegressorOperator<Float>(source)
    }
    if source.node.op.type == "TreeEnsembleClassifier" {
      return try ClassLabels.implementation(source, integers: "classlabels_int64s", make)
    }
    if source.element(0) == .float16 { return .shaped(WidenedOperator(try make(source.widened()))) }
    return .shaped(try make(source))
  }
}

/// What both kinds of ensembles do: collect votes, block by block.
struct ForestKernel<Number: ScoreNumber> {
  let scores: ForestScores<Number>
  let element: ElementType

  /// - Parameter finish: gets the first row of a block, the number of its rows, and the scores.
  func kernel(
    _ name: String, _ request: PrepareRequest,
    finish: @escaping (KernelOperands, Int, Int, ForestScores<Number>.Block) -> Void
  ) throws -> Kernel {
    let shape = try FeatureShape(request.input(0).shape)
    let forest = scores.forest
    if shape.columns <= max(forest.largestFeature, 0) {
      throw OperatorFailure.invalid(
        "feature \(max(forest.largestFeature, 0)) of \(shape.columns) is asked for")
    }
    // Integers become float32 on the way.
    let converts = element == .int32 || element == .int64
    let size = ForestScores<Number>.blockRows
    let (scores, element, columns) = (scores, element, shape.columns)
    return Kernel(
      name, units: shape.rows, costPerUnit: max(1, forest.roots.count * min(forest.depth, 16) * 4),
      threads: request.threads,
      threadScratch: scores.scratchBytes + (converts ? size * columns * MemoryLayout<Float>.stride : 0)
    ) { operands, range in
      let block = scores.block(operands.threadScratch)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: size) {
        let count = min(size, range.upperBound - first)
        let samples: UnsafePointer<Number>
        if converts {
          let copy = block.features.assumingMemoryBound(to: Float.self)
          FeatureReader.convert(
            operands.rawInput(0), element, first * columns..<(first + count) * columns, to: copy)
          samples = UnsafePointer(block.features.assumingMemoryBound(to: Number.self))
        } else {
          samples = operands.input(0, as: Number.self) + first * columns
        }
        scores.collect(samples, rows: count, columns: columns, block)
        finish(operands, first, count, block)
      }
    }
  }
}

/// `TreeEnsemble` and `TreeEnsembleRegressor`: what the trees vote for each target, put together.
struct TreeRegressorOperator<Number: ScoreNumber>: ShapedOperator {
  private let kernel: ForestKernel<Number>
  private let base: [Number]
  private let transform: ScoreTransform
  private let output: ElementType

  init(_ source: OperatorSource) throws {
    let node = source.node
    let targets = try node.int("n_targets", default: 1)
    if targets > 1 << 24 { throw OperatorFailure.unsupported("n_targets \(targets)") }
    output = source.outputElement() ?? .float32
    let forest: DecisionForest<Number>
    let aggregate: VoteAggregate
    if node.op.type == "TreeEnsemble" {
      forest = try DecisionForest(try IndexedTreeReader(node: node).read(targets: targets))
      aggregate = try Self.choice(node, "aggregate_function", default: 1)
      transform = try Self.choice(node, "post_transform", default: 0)
      base = []
    } else {
      let reader = NamedTreeReader(node: node)
      forest = try DecisionForest(try reader.read("target", targets: targets))
      aggregate = try node.choice("aggregate_function", default: .sum)
      transform = try ScoreTransform(node)
      base = try reader.numbersOf("base_values").map { Number($0) }
    }
    if !base.isEmpty && base.count != targets {
      throw OperatorFailure.unsupported("\(base.count) base values for \(targets) targets")
    }
    kernel = ForestKernel(
      scores: ForestScores(forest: forest, targets: targets, aggregate: aggregate),
      element: source.element(0) ?? .float32)
  }

  private static func choice<Choice: CaseIterable>(
    _ node: Node, _ name: String, default fallback: Int
  ) throws -> Choice where Choice.AllCases == [Choice] {
    let number = try node.int(name, default: fallback)
    guard Choice.allCases.indices.contains(number) else {
      throw OperatorFailure.unsupported("\(name) \(number)")
    }
    return Choice.allCases[number]
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    try kernel.kernel("tree_regressor", request) { [self] operands, first, count, block in
      finish(operands, first, count, block)
    }
  }

  @_specialize(where Number == Float)
  @_specialize(where Number == Double)
  private func finish(
    _ operands: KernelOperands, _ first: Int, _ count: Int, _ block: ForestScores<Number>.Block
  ) {
    let targets = kernel.scores.targets
    for row in 0..<count {
      let scores = UnsafeMutableBufferPointer(start: block.scores + row * targets, count: targets)
      for target in 0..<targets { total(&scores[target], target, block.hasVotes[row * targets + target]) }
      if targets == 1 {
        scores[0] = transform.single(scores[0])
      } else {
        transform.apply(scores)
      }
      let start = (first + row) * targets
      if output == .float64 {
        let y = operands.output(0, as: Double.self) + start
        for target in 0..<targets { y[target] = Double(scores[target]) }
      } else {
        let y = operands.output(0, as: Float.self) + start
        for target in 0..<targets { y[target] = Float(scores[target]) }
      }
    }
  }

  /// Of several targets, onnxruntime leaves one that no tree voted for at 0, its base value too.
  @inline(__always)
  private func total(_ score: inout Number, _ target: Int, _ hasVotes: Bool) {
    let scores = kernel.scores
    if scores.aggregate == .average && hasVotes { score /= Number(max(scores.forest.roots.count, 1)) }
    if !base.isEmpty && (hasVotes || scores.targets == 1) { score += base[target] }
  }
}
