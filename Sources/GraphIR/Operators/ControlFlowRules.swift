import Tensors

/// If, Loop and Scan: their outputs have the types of their sub-graphs' outputs, which are inferred first.
enum ControlFlowRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "If", inputs: 1...1, outputs: 1...Int.max, attributes: ["else_branch", "then_branch"], infer: inferIf),
    OperatorRule(
      "Loop", inputs: 2...Int.max, outputs: 1...Int.max, requiredInputs: 0, attributes: ["body"],
      infer: inferLoop),
    OperatorRule(
      "Scan", inputs: 1...Int.max, outputs: 1...Int.max,
      attributes: [
        "body", "num_scan_inputs", "scan_input_axes", "scan_input_directions", "scan_output_axes",
        "scan_output_directions",
      ], infer: inferScan),
  ]

  @Sendable private static func inferIf(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .bool)
    let branches = [try context.node.graph("then_branch"), try context.node.graph("else_branch")]
    for branch in branches where branch.outputs.count != context.node.outputs.count {
      throw context.error(
        "a branch has \(branch.outputs.count) outputs, the node \(context.node.outputs.count)")
    }
    for index in context.node.outputs.indices {
      let types = branches.map { $0[$0.outputs[index]].type }
      guard let yes = types[0], let no = types[1] else { continue }
      guard let common = commonType(yes, no) else {
        throw context.error("output \(index) is \(yes) in one branch and \(no) in the other")
      }
      context.setOutput(index, common)
    }
  }

  /// What holds for both types; nil when they are of different kinds.
  static func commonType(_ left: ValueType, _ right: ValueType) -> ValueType? {
    if left == right { return left }
    switch (left, right) {
    case (.tensor(let a), .tensor(let b)) where a.element == b.element:
      guard let x = a.dimensions, let y = b.dimensions, x.count == y.count else {
        return .tensor(TensorType(a.element, nil))
      }
      return .tensor(TensorType(a.element, zip(x, y).map { $0 == $1 ? $0 : .unknown }))
    case (.sequence(let a), .sequence(let b)): return commonType(a, b).map(ValueType.sequence)
    case (.optional(let a), .optional(let b)): return commonType(a, b).map(ValueType.optional)
    // One branch may give an optional's element where the other gives none.
    case (.optional(let a), let b), (let b, .optional(let a)):
      return commonType(a, b).map(ValueType.optional)
    default: return nil
    }
  }

  @Sendable private static func inferLoop(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .int64)
    try context.expect(1, .bool)
    let body = try context.node.graph("body")
    let carried = context.node.inputs.count - 2
    if body.inputs.count != carried + 2 {
      throw context.error("the body has \(body.inputs.count) inputs; \(carried + 2) are needed")
    }
    if body.outputs.count != context.node.outputs.count + 1 || context.node.outputs.count < carried {
      throw context.error("the body's \(body.outputs.count) outputs do not fit the node's")
    }
    for index in context.node.outputs.indices {
      guard let type = body[body.outputs[index + 1]].type else { continue }
      if index < carried {
        // No turn may be taken at all: then the initial value comes out.
        let initial = context.valueType(index + 2)
        // The state may start as an optional and go on as its element: only the file knows what comes out.
        if case .optional? = initial, !type.isOptional { continue }
        context.setOutput(index, initial.flatMap { commonType($0, type) } ?? type)
      } else if case .tensor(let element) = type {
        context.setOutput(index, element.element, element.dimensions.map { [.unknown] + $0 })
      }
    }
  }

  @Sendable private static func inferScan(_ context: inout InferenceContext) throws(GraphError) {
    let body = try context.node.graph("body")
    let attributes = try ScanAttributes(context.node)
    let states = context.node.inputs.count - attributes.scanInputCount
    if body.inputs.count != context.node.inputs.count || body.outputs.count != context.node.outputs.count
      || context.node.outputs.count < states
    {
      throw context.error("the body's inputs and outputs do not fit the node's")
    }
    let length = try scanLength(context, attributes, states: states)
    for index in context.node.outputs.indices {
      guard case .tensor(let type)? = body[body.outputs[index]].type else { continue }
      guard index >= states, var dimensions = type.dimensions else {
        context.setOutput(index, type.element, type.dimensions)
        continue
      }
      let axis = attributes.outputAxes?[index - states] ?? 0
      let rank = dimensions.count
      dimensions.insert(length, at: try context.resolveAxis(axis, rank: rank + 1, upTo: rank))
      context.setOutput(index, type.element, dimensions)
    }
  }

  private static func scanLength(
    _ context: InferenceContext, _ attributes: ScanAttributes, states: Int
  ) throws(GraphError) -> Dimension {
    var length = Dimension.unknown
    for scan in 0..<attributes.scanInputCount {
      guard let dimensions = context.dimensions(states + scan) else { continue }
      let axis = try context.resolveAxis(attributes.inputAxes?[scan] ?? 0, rank: dimensions.count)
      length = try context.merged(length, dimensions[axis], "the lengths of the scanned inputs")
    }
    return length
  }

  /// Gives inputs of a sub-graph that declare no type what the node tells about them.
  static func setInputTypes(of body: inout Graph, node: Node, outerType: (ValueID) -> ValueType?) {
    switch node.op.type {
    case "Loop":
      for (index, input) in body.inputs.enumerated() where body[input].type == nil {
        switch index {
        case 0: body[input].type = .tensor(TensorType(.int64, []))
        case 1: body[input].type = .tensor(TensorType(.bool, []))
        default:
          // A loop's state may change its shape from turn to turn.
          if index < node.inputs.count { body[input].type = outerType(node.inputs[index])?.withoutShape }
        }
      }
    case "Scan":
      for (input, outer) in zip(body.inputs, node.inputs) where body[input].type == nil {
        body[input].type = outerType(outer)?.withoutShape
      }
    case "FlexAttention":
      guard let precision = FlexAttentionAttributes.precision(node, outerType) else { return }
      for input in body.inputs where body[input].type == nil {
        body[input].type = .tensor(TensorType(precision, nil))
      }
    default: break
    }
  }
}

/// `Scan`.
public struct ScanAttributes: Sendable {
  public let scanInputCount: Int
  /// nil: axis 0 for all.
  public let inputAxes: [Int]?
  public let outputAxes: [Int]?
  public let inputDirections: [Int]?
  public let outputDirections: [Int]?

  public init(_ node: Node) throws(GraphError) {
    scanInputCount = try node.requiredInt("num_scan_inputs")
    if scanInputCount < 1 || scanInputCount > node.inputs.count {
      throw node.error("attribute 'num_scan_inputs' is \(scanInputCount)")
    }
    let scanOutputCount = node.outputs.count - (node.inputs.count - scanInputCount)
    inputAxes = try Self.list(node, "scan_input_axes", scanInputCount)
    inputDirections = try Self.list(node, "scan_input_directions", scanInputCount)
    outputAxes = try Self.list(node, "scan_output_axes", scanOutputCount)
    outputDirections = try Self.list(node, "scan_output_directions", scanOutputCount)
  }

  private static func list(_ node: Node, _ name: String, _ count: Int) throws(GraphError) -> [Int]? {
    guard let values = try node.ints(name) else { return nil }
    if values.count != count {
      throw node.error("attribute '\(name)' has \(values.count) values, not \(count)")
    }
    return values
  }
}

extension ValueType {
  fileprivate var isOptional: Bool { if case .optional = self { true } else { false } }
}
