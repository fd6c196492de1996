import Tensors

/// Losses of a classification: scores `[N, C, d1, ...]` against class numbers `[N, d1, ...]`.
enum LossRules {
  private static let attributes = ["ignore_index", "reduction"]

  static let all: [OperatorRule] = [
    OperatorRule("NegativeLogLikelihoodLoss", inputs: 2...3, attributes: attributes, infer: infer),
    OperatorRule(
      "SoftmaxCrossEntropyLoss", inputs: 2...3, outputs: 1...2, attributes: attributes, infer: infer),
  ]

  @Sendable private static func infer(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try LossAttributes(context.node)
    try context.expect(0, .float)
    try context.expect(1, .index)
    try context.expectRank(0, 2...Int.max)
    try context.expectRank(2, 1...1)
    let element = try context.commonElement([0, 2])
    if let scores = context.dimensions(0) {
      if let targets = context.dimensions(1) {
        if targets.count != scores.count - 1 {
          throw context.error("scores of rank \(scores.count) need targets of rank \(scores.count - 1)")
        }
        for (axis, extent) in targets.enumerated() {
          _ = try context.merged(
            extent, scores[axis == 0 ? 0 : axis + 1], "the extents of scores and targets")
        }
      }
      if let weights = context.dimensions(2) {
        _ = try context.merged(weights[0], scores[1], "the numbers of classes and weights")
      }
    }
    guard let element else { return }
    context.setOutput(0, element, attributes.reduction == .none ? context.dimensions(1) : [])
    context.setOutput(1, element, context.dimensions(0))
  }
}

/// `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`.
public struct LossAttributes: Sendable {
  public enum Reduction: String, CaseIterable, Sendable { case none, sum, mean }
  public let reduction: Reduction
  /// Samples of this class take no part.
  public let ignoredClass: Int?

  public init(_ node: Node) throws(GraphError) {
    reduction = try node.choice("reduction", default: .mean)
    ignoredClass = try node.optionalInt("ignore_index")
  }
}
