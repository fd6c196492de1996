import Tensors

/// What is fixed about one operator: how many inputs and outputs it takes, its attributes, and the types
/// of its outputs. Describes the newest form of the operator only; older models are raised first.
public struct OperatorRule: Sendable {
  public typealias Inference = @Sendable (inout InferenceContext) throws(GraphError) -> Void

  public let op: OperatorName
  /// How many inputs a node may list, omitted optional ones in the middle included.
  public let inputs: ClosedRange<Int>
  public let outputs: ClosedRange<Int>
  /// How many of the first inputs may not be omitted.
  public let requiredInputs: Int
  public let attributes: [String]
  /// False for operators whose result is not a function of their inputs alone (random ones).
  public let isDeterministic: Bool
  private let inference: Inference

  /// `Int.max` as an upper bound stands for any number. All inputs that must be listed are required, unless
  /// `requiredInputs` says otherwise.
  public init(
    _ op: OperatorName, inputs: ClosedRange<Int>, outputs: ClosedRange<Int> = 1...1,
    requiredInputs: Int? = nil, attributes: [String] = [], isDeterministic: Bool = true,
    infer inference: @escaping Inference
  ) {
    self.op = op
    self.inputs = inputs
    self.outputs = outputs
    self.requiredInputs = requiredInputs ?? inputs.lowerBound
    self.attributes = attributes
    self.isDeterministic = isDeterministic
    self.inference = inference
  }

  /// Gives `context` the types of the node's outputs, as far as its inputs' types and constants tell.
  /// - Throws: `GraphError.invalidNode` when the node breaks the rule, or a result would have more elements
  ///   than can be addressed.
  public func infer(_ context: inout InferenceContext) throws(GraphError) {
    try check(context.node)
    for index in 0..<requiredInputs where context.node.inputs[index].isNone {
      throw context.error("input \(index) is required")
    }
    try inference(&context)
    try context.checkOutputs()
  }

  /// Whether `node` lists a permitted number of inputs and outputs and only attributes of this operator.
  /// - Throws: `GraphError.invalidNode`.
  public func check(_ node: Node) throws(GraphError) {
    if !inputs.contains(node.inputs.count) {
      throw node.error("has \(node.inputs.count) inputs; the operator takes \(Self.text(inputs))")
    }
    if !outputs.contains(node.outputs.count) {
      throw node.error("has \(node.outputs.count) outputs; the operator gives \(Self.text(outputs))")
    }
    for entry in node.attributes.entries where !attributes.contains(entry.name) {
      throw node.error("attribute '\(entry.name)' does not belong to the operator")
    }
  }

  private static func text(_ range: ClosedRange<Int>) -> String {
    if range.upperBound == Int.max { return "at least \(range.lowerBound)" }
    if range.count == 1 { return "\(range.lowerBound)" }
    return "\(range.lowerBound) to \(range.upperBound)"
  }
}

extension Node {
  /// A `GraphError.invalidNode` about this node.
  public func error(_ reason: String) -> GraphError {
    .invalidNode(name: name, op: op.description, reason: reason)
  }

  /// True when the node lists input `index` and does not leave it out.
  public func hasInput(_ index: Int) -> Bool { index < inputs.count && !inputs[index].isNone }

  /// True when the node lists output `index` and does not leave it out.
  public func hasOutput(_ index: Int) -> Bool { index < outputs.count && !outputs[index].isNone }
}
