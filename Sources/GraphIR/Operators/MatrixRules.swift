import Tensors

/// Matrix products.
enum MatrixRules {
  static let all: [OperatorRule] = [
    OperatorRule("MatMul", inputs: 2...2, infer: inferMatMul),
    OperatorRule("Gemm", inputs: 2...3, attributes: ["alpha", "beta", "transA", "transB"], infer: inferGemm),
    OperatorRule("Einsum", inputs: 1...Int.max, attributes: ["equation"], infer: EinsumRule.infer),
    OperatorRule("Det", inputs: 1...1, infer: inferDet),
  ]

  private static let elements: ElementSet = [.float, .int32, .int64, .uint32, .uint64]

  @Sendable private static func inferMatMul(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, elements)
    let element = try context.commonElement(0..<2)
    let dimensions = try context.matrixProduct(context.dimensions(0), context.dimensions(1))
    if let element { context.setOutput(0, element, dimensions) }
  }

  @Sendable private static func inferGemm(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try GemmAttributes(context.node)
    try context.expect(0, elements)
    let element = try context.commonElement(0..<3)
    let dimensions = try context.gemmShape(attributes)
    if let element { context.setOutput(0, element, dimensions) }
  }

  @Sendable private static func inferDet(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    try context.expectRank(0, 2...Int.max)
    guard let type = context.type(0) else { return }
    if let dimensions = type.dimensions {
      _ = try context.merged(dimensions[dimensions.count - 2], dimensions[dimensions.count - 1], "the sides")
    }
    context.setOutput(0, type.element, type.dimensions.map { Array($0.dropLast(2)) })
  }
}

/// `Gemm`: `alpha * A' * B' + beta * C`, where `'` transposes when asked to.
public struct GemmAttributes: Sendable {
  public let alpha: Float
  public let beta: Float
  public let transA: Bool
  public let transB: Bool

  public init(_ node: Node) throws(GraphError) {
    alpha = try node.float("alpha", default: 1)
    beta = try node.float("beta", default: 1)
    transA = try node.flag("transA")
    transB = try node.flag("transB")
  }
}

extension InferenceContext {
  /// The shape of numpy's `matmul`; nil when a rank is unknown.
  func matrixProduct(_ left: [Dimension]?, _ right: [Dimension]?) throws(GraphError) -> [Dimension]? {
    guard let left, let right else { return nil }
    if left.isEmpty || right.isEmpty { throw error("a scalar cannot be multiplied as a matrix") }
    let a = left.count == 1 ? [.known(1)] + left : left
    let b = right.count == 1 ? right + [.known(1)] : right
    _ = try merged(a[a.count - 1], b[b.count - 2], "the inner extents of \(text(left)) and \(text(right))")
    guard var result = try broadcast(Array(a.dropLast(2)), Array(b.dropLast(2))) else { return nil }
    if left.count > 1 { result.append(a[a.count - 2]) }
    if right.count > 1 { result.append(b[b.count - 1]) }
    return result
  }

  /// `[M, N]` of a Gemm on inputs 0 and 1, with the bias in input 2 checked against it.
  func gemmShape(_ attributes: GemmAttributes) throws(GraphError) -> [Dimension]? {
    try expectRank(0, 2...2)
    try expectRank(1, 2...2)
    let a = dimensions(0) ?? [.unknown, .unknown]
    let b = dimensions(1) ?? [.unknown, .unknown]
    _ = try merged(
      a[attributes.transA ? 0 : 1], b[attributes.transB ? 1 : 0],
      "the inner extents of \(text(a)) and \(text(b))")
    let result = [a[attributes.transA ? 1 : 0], b[attributes.transB ? 0 : 1]]
    try expectBroadcast(2, to: result)
    return result
  }

  /// Input `index` must broadcast to `target` without changing it.
  func expectBroadcast(_ input: Int, to target: [Dimension]) throws(GraphError) {
    guard let own = dimensions(input) else { return }
    let fits =
      own.count <= target.count
      && zip(own.reversed(), target.reversed()).allSatisfy { own, target in
        guard let extent = own.extent, extent != 1, let wanted = target.extent else { return true }
        return extent == wanted
      }
    if !fits { throw error("input \(input) of shape \(text(own)) does not broadcast to \(text(target))") }
  }
}
