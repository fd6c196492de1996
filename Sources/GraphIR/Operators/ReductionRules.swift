import Tensors

/// Operators that combine elements along axes, and the ones that search along an axis.
enum ReductionRules {
  static let all: [OperatorRule] =
    [
      "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSum",
      "ReduceSumSquare",
    ].map { reduction($0, [.float, .int32, .int64, .uint32, .uint64]) }
    + ["ReduceMax", "ReduceMin"].map { reduction($0, [.numeric, .bool]) }
    + ["ArgMax", "ArgMin"].map {
      OperatorRule(
        OperatorName(type: $0), inputs: 1...1, attributes: ["axis", "keepdims", "select_last_index"],
        infer: inferArg)
    }
    + [
      OperatorRule(
        "TopK", inputs: 2...2, outputs: 2...2, attributes: ["axis", "largest", "sorted"], infer: inferTopK),
      OperatorRule("CumSum", inputs: 2...2, attributes: ["exclusive", "reverse"], infer: inferCumulative),
      OperatorRule("CumProd", inputs: 2...2, attributes: ["exclusive", "reverse"], infer: inferCumulative),
    ]

  private static func reduction(_ type: String, _ allowed: ElementSet) -> OperatorRule {
    OperatorRule(
      OperatorName(type: type), inputs: 1...2, attributes: ["keepdims", "noop_with_empty_axes"]
    ) { context throws(GraphError) in
      try context.expect(0, allowed)
      let attributes = try ReductionAttributes(context.node)
      let dimensions = try reduced(context, attributes)
      if let element = context.element(0) { context.setOutput(0, element, dimensions) }
    }
  }

  private static func reduced(
    _ context: InferenceContext, _ attributes: ReductionAttributes
  ) throws(GraphError) -> [Dimension]? {
    guard let dimensions = context.dimensions(0) else { return nil }
    let known = try context.integers(1)
    if context.node.hasInput(1) && known == nil {
      if attributes.keepDimensions { return Array(repeating: .unknown, count: dimensions.count) }
      guard let count = context.dimensions(1)?.first?.extent, count > 0, count <= dimensions.count else {
        return nil
      }
      return Array(repeating: .unknown, count: dimensions.count - count)
    }
    let axes = try attributes.resolve(axes: known, rank: dimensions.count, context.node)
    if attributes.keepDimensions {
      return dimensions.enumerated().map { axes.contains($0.offset) ? .known(1) : $0.element }
    }
    return dimensions.enumerated().filter { !axes.contains($0.offset) }.map(\.element)
  }

  @Sendable private static func inferArg(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .numeric)
    let attributes = try ArgAttributes(context.node)
    guard var dimensions = context.dimensions(0) else {
      context.setOutput(0, .int64, nil)
      return
    }
    let axis = try context.resolveAxis(attributes.axis, rank: dimensions.count)
    if dimensions[axis] == .known(0) { throw context.error("axis \(axis) is empty") }
    if attributes.keepDimensions { dimensions[axis] = .known(1) } else { dimensions.remove(at: axis) }
    context.setOutput(0, .int64, dimensions)
  }

  @Sendable private static func inferTopK(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .numeric)
    try context.expect(1, .int64)
    let attributes = try TopKAttributes(context.node)
    guard let type = context.type(0) else { return }
    let k = context.knownElements(1)
    if let k, k.count != 1 { throw context.error("K must hold one element") }
    var result = type.dimensions
    if let dimensions = type.dimensions {
      let axis = try context.resolveAxis(attributes.axis, rank: dimensions.count)
      result?[axis] = k?[0] ?? .unknown
      if let wanted = k?[0].extent, let extent = dimensions[axis].extent, wanted < 0 || wanted > extent {
        throw context.error("K is \(wanted) for an axis of \(extent) elements")
      }
    }
    context.setOutput(0, type.element, result)
    context.setOutput(1, .int64, result)
  }

  @Sendable private static func inferCumulative(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, [.float, .int32, .int64, .uint32, .uint64])
    if let axis = try context.integers(1) {
      if axis.count != 1 { throw context.error("the axis must be one element") }
      if let rank = context.dimensions(0)?.count { _ = try context.resolveAxis(axis[0], rank: rank) }
    }
    context.copyType()
  }
}

/// The `Reduce…` operators.
public struct ReductionAttributes: Sendable {
  public let keepDimensions: Bool
  /// Without axes the operator passes its input through instead of reducing all of them.
  public let isNoopWithoutAxes: Bool

  public init(_ node: Node) throws(GraphError) {
    keepDimensions = try node.flag("keepdims", default: true)
    isNoopWithoutAxes = try node.flag("noop_with_empty_axes")
  }

  /// The axes to reduce, ascending, each once.
  /// - Parameter axes: the elements of input 1; nil when it is omitted.
  public func resolve(axes: [Int]?, rank: Int, _ node: Node) throws(GraphError) -> [Int] {
    guard let axes, !axes.isEmpty else { return isNoopWithoutAxes ? [] : Array(0..<rank) }
    var resolved: Set<Int> = []
    for axis in axes {
      let position = axis < 0 ? axis &+ rank : axis
      guard (0..<rank).contains(position) else {
        throw node.error("axis \(axis) is out of range for rank \(rank)")
      }
      resolved.insert(position)
    }
    return resolved.sorted()
  }
}

/// `ArgMax` and `ArgMin`.
public struct ArgAttributes: Sendable {
  public let axis: Int
  public let keepDimensions: Bool
  public let selectsLast: Bool

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: 0)
    keepDimensions = try node.flag("keepdims", default: true)
    selectsLast = try node.flag("select_last_index")
  }
}

/// `TopK`.
public struct TopKAttributes: Sendable {
  public let axis: Int
  public let isLargest: Bool
  public let isSorted: Bool

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: -1)
    isLargest = try node.flag("largest", default: true)
    isSorted = try node.flag("sorted", default: true)
  }
}

/// `CumSum` and `CumProd`.
public struct CumulativeAttributes: Sendable {
  public let isExclusive: Bool
  public let isReversed: Bool

  public init(_ node: Node) throws(GraphError) {
    isExclusive = try node.flag("exclusive")
    isReversed = try node.flag("reverse")
  }
}
