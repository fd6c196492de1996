import Tensors

extension Passes {
  /// Nodes whose inputs are all constant are computed now, and sizes that the types tell (a Shape of a fixed
  /// shape) become constants.
  ///
  /// A result is kept only when it is not larger than `maximumBytes` or than the inputs together, and all results
  /// together only up to 16 times that on top of what the graph's constants take. Weights stay quantized: DequantizeLinear is left alone. On models that are not of the newest opset only operators are
  /// folded that have meant the same in all of them.
  public static func foldConstants(
    _ model: inout Model, evaluate: @escaping NodeEvaluator, maximumBytes: Int = 16 << 20
  ) throws(GraphError) -> Int {
    try foldConstants(&model, evaluate: evaluate, maximumBytes: maximumBytes, infersTypes: true)
  }

  static func foldConstants(
    _ model: inout Model, evaluate: @escaping NodeEvaluator, maximumBytes: Int = 16 << 20, infersTypes: Bool
  ) throws(GraphError) -> Int {
    let isNewest = (model.opsets[""] ?? 1) >= Model.opsetVersions.upperBound
    if isNewest && infersTypes { try model.graph.inferTypes() }
    return try model.changeGraphs { graph throws(GraphError) in
      let folding = ConstantFolding(
        graph, evaluate: evaluate, maximumBytes: maximumBytes, allowsAllOperators: isNewest)
      return try folding.apply(to: &graph)
    }
  }
}

private struct ConstantFolding {
  /// Operators of which every form that `OperatorRule.check` accepts means the same in opsets 7 to 25.
  private static let unchanged: Set<String> = [
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "ConstantOfShape", "Cos", "Div", "Equal", "Erf", "Exp",
    "Expand",
    "Floor", "Gather", "GatherElements", "Greater", "Identity", "Less", "Log", "MatMul", "Max", "Min", "Mul",
    "Neg",
    "Not", "Or", "Pow", "Range", "Reciprocal", "Reshape", "Shape", "Sigmoid", "Sin", "Size", "Slice", "Sqrt",
    "Squeeze", "Sub", "Tanh", "Tile", "Transpose", "Trilu", "Unsqueeze", "Where",
  ]

  private let graph: Graph
  private let uses: GraphUses
  private let evaluate: NodeEvaluator
  private let maximumBytes: Int
  private let allowsAllOperators: Bool

  init(_ graph: Graph, evaluate: @escaping NodeEvaluator, maximumBytes: Int, allowsAllOperators: Bool) {
    self.graph = graph
    uses = GraphUses(graph)
    self.evaluate = evaluate
    self.maximumBytes = maximumBytes
    self.allowsAllOperators = allowsAllOperators
  }

  func apply(to target: inout Graph) throws(GraphError) -> Int {
    var patch = GraphPatch("fold constants", for: graph)
    var known: [ValueID: Tensor] = [:]
    var elements: [ValueID: [Dimension]] = [:]
    var changes = 0
    var budget = graph.values.reduce(16 * maximumBytes) { $0 + ($1.constant?.byteCount ?? 0) }
    for (index, node) in graph.nodes.enumerated() {
      let inputs = node.inputs.map { known[$0] ?? uses.constant($0, in: graph) }
      guard let results = fold(node, inputs, &elements, budget: budget) else { continue }
      budget -= results.reduce(0) { $0 + $1.byteCount }
      for (output, tensor) in zip(node.outputs, results) where !output.isNone {
        known[output] = tensor
        patch.setConstant(output, tensor)
      }
      patch.remove(index)
      changes += 1
    }
    try patch.apply(to: &target)
    return changes
  }

  /// The constants that `node` gives; nil when they are not known before a run, or too large.
  private func fold(
    _ node: Node, _ inputs: [Tensor?], _ elements: inout [ValueID: [Dimension]], budget: Int
  ) -> [Tensor]? {
    guard let rule = OperatorTable.rule(for: node.op), rule.isDeterministic, isAllowed(node),
      (try? rule.check(node)) != nil
    else { return nil }
    var context = InferenceContext(
      node: node, inputTypes: zip(node.inputs, inputs).map(type), constants: inputs,
      elements: node.inputs.map { elements[$0] })
    // What breaks its rule stays where it is, for the compiler to report.
    guard (try? rule.infer(&context)) != nil else { return nil }
    if let sizes = sizes(node, context) { return sizes }
    // One extent of a shape may be known where another is not.
    if let output = node.outputs.first, !output.isNone { elements[output] = context.outputElements[0] }
    for (id, tensor) in zip(node.inputs, inputs) where !id.isNone && tensor == nil { return nil }
    if node.inputs.isEmpty { return nil }
    let limit = min(budget, max(maximumBytes, inputs.reduce(0) { $0 + ($1?.byteCount ?? 0) }))
    for type in context.outputTypes {
      guard let shape = type?.tensor?.shape, let element = type?.tensor?.element else { continue }
      let bytes = shape.checkedElementCount.flatMap { element.byteCount(elements: $0) }
      if bytes ?? Int.max > limit { return nil }
    }
    guard let results = try? evaluate(node, inputs), results.count == node.outputs.count else { return nil }
    return results.contains { $0.byteCount > limit } ? nil : results
  }

  private func type(_ id: ValueID, _ constant: Tensor?) -> ValueType? {
    if let constant { return .tensor(TensorType(constant.type, shape: constant.shape)) }
    return id.isNone ? nil : graph[id].type
  }

  private func isAllowed(_ node: Node) -> Bool {
    if node.op == "DequantizeLinear" || node.op == "Constant" { return false }
    if node.attributes.entries.contains(where: { $0.value.holdsGraph }) { return false }
    return allowsAllOperators || (node.op.domain.isEmpty && Self.unchanged.contains(node.op.type))
  }

  /// Sizes, and what is computed of them, when all of them are known.
  private func sizes(_ node: Node, _ context: InferenceContext) -> [Tensor]? {
    guard node.outputs.count == 1, let elements = context.outputElements[0],
      let type = context.outputTypes[0]?.tensor, type.element == .int64, let shape = type.shape
    else { return nil }
    let extents = elements.compactMap(\.extent)
    guard extents.count == elements.count, extents.count == shape.elementCount else { return nil }
    return (try? Tensor(shape: shape, extents)).map { [$0] }
  }
}
