import Tensors

/// Sequences and optionals: what they hold follows from what is put in.
enum SequenceRules {
  static let all: [OperatorRule] = [
    OperatorRule("SequenceConstruct", inputs: 1...Int.max, infer: inferConstruct),
    OperatorRule("SequenceEmpty", inputs: 0...0, attributes: ["dtype"], infer: inferEmpty),
    OperatorRule("SequenceInsert", inputs: 2...3, infer: inferInsert),
    OperatorRule("SequenceErase", inputs: 1...2, infer: inferErase),
    OperatorRule("SequenceAt", inputs: 2...2, infer: inferAt),
    OperatorRule("SequenceLength", inputs: 1...1, infer: inferLength),
    OperatorRule("SplitToSequence", inputs: 1...2, attributes: ["axis", "keepdims"], infer: inferSplit),
    OperatorRule("ConcatFromSequence", inputs: 1...1, attributes: ["axis", "new_axis"], infer: inferConcat),
    OperatorRule(
      "SequenceMap", inputs: 1...Int.max, outputs: 1...Int.max, attributes: ["body"], infer: inferMap),
    OperatorRule("Optional", inputs: 0...1, attributes: ["type"], infer: inferOptional),
    OperatorRule("OptionalHasElement", inputs: 0...1, requiredInputs: 0, infer: inferHasElement),
    OperatorRule("OptionalGetElement", inputs: 1...1, infer: inferGetElement),
  ]

  /// The type of the elements of sequence input `index`; nil when the type is unknown.
  private static func elementType(
    _ context: InferenceContext, _ index: Int
  ) throws(GraphError) -> ValueType? {
    switch context.valueType(index) {
    case .sequence(let element)?: return element
    case nil: return nil
    case _?: throw context.error("input \(index) must be a sequence")
    }
  }

  @Sendable private static func inferConstruct(_ context: inout InferenceContext) throws(GraphError) {
    var common: ValueType?
    for index in context.node.inputs.indices {
      guard let type = context.type(index).map(ValueType.tensor) else { return }
      guard let joined = common.map({ ControlFlowRules.commonType($0, type) }) ?? type else {
        throw context.error("the inputs are of different element types")
      }
      common = joined
    }
    if let common { context.setOutput(0, .sequence(common)) }
  }

  @Sendable private static func inferEmpty(_ context: inout InferenceContext) throws(GraphError) {
    let element = try context.node.elementType("dtype") ?? .float32
    context.setOutput(0, .sequence(.tensor(TensorType(element, nil))))
  }

  @Sendable private static func inferInsert(_ context: inout InferenceContext) throws(GraphError) {
    guard let element = try elementType(context, 0) else { return }
    guard let inserted = context.valueType(1) else {
      if case .tensor(let type) = element {
        context.setOutput(0, .sequence(.tensor(TensorType(type.element, nil))))
      }
      return
    }
    guard let common = ControlFlowRules.commonType(element, inserted) else {
      throw context.error("a value of another type than the sequence's is inserted")
    }
    context.setOutput(0, .sequence(common))
  }

  @Sendable private static func inferErase(_ context: inout InferenceContext) throws(GraphError) {
    if let element = try elementType(context, 0) { context.setOutput(0, .sequence(element)) }
  }

  @Sendable private static func inferAt(_ context: inout InferenceContext) throws(GraphError) {
    if let element = try elementType(context, 0) { context.setOutput(0, element) }
  }

  @Sendable private static func inferLength(_ context: inout InferenceContext) throws(GraphError) {
    _ = try elementType(context, 0)
    context.setOutput(0, .int64, [])
  }

  @Sendable private static func inferSplit(_ context: inout InferenceContext) throws(GraphError) {
    guard let type = context.type(0) else { return }
    var dimensions = type.dimensions
    let axis = try context.node.int("axis", default: 0)
    if let rank = dimensions?.count {
      let axis = try context.resolveAxis(axis, rank: rank)
      if context.node.hasInput(1) {
        dimensions?[axis] = .unknown
      } else if try context.node.flag("keepdims", default: true) {
        dimensions?[axis] = .known(1)
      } else {
        dimensions?.remove(at: axis)
      }
    }
    context.setOutput(0, .sequence(.tensor(TensorType(type.element, dimensions))))
  }

  @Sendable private static func inferConcat(_ context: inout InferenceContext) throws(GraphError) {
    guard let element = try elementType(context, 0) else { return }
    guard let type = element.tensor else { throw context.error("the sequence must hold tensors") }
    let axis = try context.node.requiredInt("axis")
    var dimensions = type.dimensions
    if let rank = dimensions?.count {
      if try context.node.flag("new_axis") {
        dimensions?.insert(.unknown, at: try context.resolveAxis(axis, rank: rank + 1, upTo: rank))
      } else {
        dimensions?[try context.resolveAxis(axis, rank: rank)] = .unknown
      }
    }
    context.setOutput(0, type.element, dimensions)
  }

  @Sendable private static func inferMap(_ context: inout InferenceContext) throws(GraphError) {
    _ = try elementType(context, 0)
    let body = try context.node.graph("body")
    if body.inputs.count != context.node.inputs.count || body.outputs.count != context.node.outputs.count {
      throw context.error("the body's inputs and outputs do not fit the node's")
    }
    for index in context.node.outputs.indices {
      if let type = body[body.outputs[index]].type { context.setOutput(index, .sequence(type)) }
    }
  }

  @Sendable private static func inferOptional(_ context: inout InferenceContext) throws(GraphError) {
    if context.node.hasInput(0) {
      if let type = context.valueType(0) { context.setOutput(0, .optional(type)) }
      return
    }
    guard case .type(let type)? = context.node.attributes["type"] else {
      throw context.error("without an input, attribute 'type' is required")
    }
    context.setOutput(0, .optional(type))
  }

  @Sendable private static func inferHasElement(_ context: inout InferenceContext) throws(GraphError) {
    context.setOutput(0, .bool, [])
  }

  @Sendable private static func inferGetElement(_ context: inout InferenceContext) throws(GraphError) {
    switch context.valueType(0) {
    case .optional(let type)?: context.setOutput(0, type)
    case let type?: context.setOutput(0, type)
    case nil: break
    }
  }
}
