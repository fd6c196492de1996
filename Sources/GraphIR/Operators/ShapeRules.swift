import Tensors

/// Operators that keep the elements and change the shape: views for the engine.
enum ShapeRules {
  static let all: [OperatorRule] = [
    OperatorRule("Identity", inputs: 1...1, infer: inferIdentity),
    OperatorRule("Reshape", inputs: 2...2, attributes: ["allowzero"], infer: ReshapeRule.infer),
    OperatorRule("Flatten", inputs: 1...1, attributes: ["axis"], infer: inferFlatten),
    OperatorRule("Squeeze", inputs: 1...2, infer: inferSqueeze),
    OperatorRule("Unsqueeze", inputs: 2...2, infer: inferUnsqueeze),
    OperatorRule("Transpose", inputs: 1...1, attributes: ["perm"], infer: inferTranspose),
    OperatorRule("Shape", inputs: 1...1, attributes: ["end", "start"], infer: inferShape),
    OperatorRule("Size", inputs: 1...1, infer: inferSize),
  ]

  @Sendable private static func inferIdentity(_ context: inout InferenceContext) throws(GraphError) {
    context.copyType()
    context.setElements(0, context.knownElements(0))
  }

  @Sendable private static func inferFlatten(_ context: inout InferenceContext) throws(GraphError) {
    let axis = try context.node.int("axis", default: 1)
    guard let type = context.type(0) else { return }
    guard let dimensions = type.dimensions else {
      context.setOutput(0, type.element, [.unknown, .unknown])
      return
    }
    let split = try flattenAxis(axis, rank: dimensions.count, context)
    let rows = try context.product(dimensions[..<split])
    let columns = try context.product(dimensions[split...])
    context.setOutput(0, type.element, [rows, columns])
  }

  private static func flattenAxis(
    _ axis: Int, rank: Int, _ context: InferenceContext
  ) throws(GraphError) -> Int {
    // Unlike elsewhere -1 is the last axis although `rank` is allowed as well.
    let resolved = axis < 0 ? axis &+ rank : axis
    if resolved < 0 || resolved > rank {
      throw context.error("axis \(axis) is out of range for rank \(rank)")
    }
    return resolved
  }

  @Sendable private static func inferSqueeze(_ context: inout InferenceContext) throws(GraphError) {
    context.setElements(0, context.knownElements(0))
    guard let type = context.type(0) else { return }
    context.setOutput(0, type.element, try squeezed(context))
  }

  private static func squeezed(_ context: InferenceContext) throws(GraphError) -> [Dimension]? {
    guard let dimensions = context.dimensions(0) else { return nil }
    if context.node.hasInput(1) {
      guard let values = try context.integers(1) else {
        guard let count = context.dimensions(1)?.first?.extent, count <= dimensions.count else { return nil }
        return Array(repeating: .unknown, count: dimensions.count - count)
      }
      let axes = try context.resolveAxes(values, rank: dimensions.count)
      for axis in axes {
        if let extent = dimensions[axis].extent, extent != 1 {
          throw context.error("axis \(axis) has \(extent) elements and cannot be squeezed")
        }
      }
      return dimensions.enumerated().filter { !axes.contains($0.offset) }.map(\.element)
    }
    // Which axes go is only known when all extents are.
    if dimensions.contains(where: { $0.extent == nil }) { return nil }
    return dimensions.filter { $0 != .known(1) }
  }

  @Sendable private static func inferUnsqueeze(_ context: inout InferenceContext) throws(GraphError) {
    context.setElements(0, context.knownElements(0))
    guard let type = context.type(0) else { return }
    guard let dimensions = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    guard let values = try context.integers(1) else {
      let count = context.dimensions(1)?.first?.extent
      guard let rank = count.map({ $0 &+ dimensions.count }), rank <= TensorType.maximumRank else {
        context.setOutput(0, type.element, nil)
        return
      }
      context.setOutput(0, type.element, Array(repeating: .unknown, count: rank))
      return
    }
    if values.count > TensorType.maximumRank { throw context.error("\(values.count) axes") }
    let axes = try context.resolveAxes(values, rank: dimensions.count + values.count)
    var rest = dimensions[...]
    let result = (0..<(dimensions.count + values.count)).map { axis in
      axes.contains(axis) ? Dimension.known(1) : rest.removeFirst()
    }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferTranspose(_ context: inout InferenceContext) throws(GraphError) {
    guard let type = context.type(0) else { return }
    guard let dimensions = type.dimensions else {
      let rank = try context.node.ints("perm")?.count
      context.setOutput(0, type.element, rank.map { Array(repeating: .unknown, count: $0) })
      return
    }
    let permutation = try TransposeAttributes(context.node, rank: dimensions.count).permutation
    context.setOutput(0, type.element, permutation.map { dimensions[$0] })
  }

  @Sendable private static func inferShape(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try ShapeAttributes(context.node)
    guard let dimensions = context.dimensions(0) else {
      context.setOutput(0, .int64, [.unknown])
      return
    }
    let part = Array(dimensions[attributes.range(rank: dimensions.count)])
    context.setOutput(0, .int64, [.known(part.count)])
    context.setElements(0, part)
  }

  @Sendable private static func inferSize(_ context: inout InferenceContext) throws(GraphError) {
    context.setOutput(0, .int64, [])
    if let dimensions = context.dimensions(0) { context.setElements(0, [try context.product(dimensions)]) }
  }
}

/// `Transpose`.
public struct TransposeAttributes: Sendable {
  /// Axis of the input that becomes each axis of the output.
  public let permutation: [Int]

  public init(_ node: Node, rank: Int) throws(GraphError) {
    permutation = try node.ints("perm") ?? (0..<rank).reversed()
    if permutation.sorted() != Array(0..<rank) {
      throw node.error("attribute 'perm' \(permutation) is no permutation of \(rank) axes")
    }
  }
}

/// `Shape`: a part of the input's shape.
public struct ShapeAttributes: Sendable {
  public let start: Int
  public let end: Int?

  public init(_ node: Node) throws(GraphError) {
    start = try node.int("start", default: 0)
    end = try node.optionalInt("end")
  }

  /// The axes whose extents are asked for; out-of-range bounds are moved to the nearest end.
  public func range(rank: Int) -> Range<Int> {
    func clamp(_ position: Int) -> Int { min(max(position < 0 ? position + rank : position, 0), rank) }
    let first = clamp(start)
    return first..<max(first, end.map(clamp) ?? rank)
  }
}
