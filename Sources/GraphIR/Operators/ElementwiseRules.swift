import Tensors

/// Operators that compute each element from the elements at the same (broadcast) place.
enum ElementwiseRules {
  static let all: [OperatorRule] =
    unary + binary + comparisons + variadic + [
      OperatorRule("Where", inputs: 3...3, infer: inferWhere),
      OperatorRule("Clip", inputs: 1...3, infer: inferClip),
      OperatorRule("Mod", inputs: 2...2, attributes: ["fmod"], infer: same(.numeric, count: 2)),
      OperatorRule("BitShift", inputs: 2...2, attributes: ["direction"], infer: inferBitShift),
      OperatorRule("PRelu", inputs: 2...2, infer: inferPRelu),
    ]

  // MARK: One input

  private static let unary: [OperatorRule] =
    [
      "Sqrt", "Exp", "Log", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh",
      "Acosh", "Atanh", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Mish", "Reciprocal", "Ceil",
      "Floor", "Round",
    ].map { OperatorRule(OperatorName(type: $0), inputs: 1...1, infer: like(.float)) }
    + ["Abs", "Sign", "Erf"].map {
      OperatorRule(OperatorName(type: $0), inputs: 1...1, infer: like(.numeric))
    }
    + ["Neg", "Relu"].map {
      OperatorRule(OperatorName(type: $0), inputs: 1...1, infer: like([.float, .signed]))
    }
    + [
      OperatorRule("Not", inputs: 1...1, infer: like(.bool)),
      OperatorRule("BitwiseNot", inputs: 1...1, infer: like(.integer)),
      OperatorRule("IsNaN", inputs: 1...1, infer: inferTest),
      OperatorRule(
        "IsInf", inputs: 1...1, attributes: ["detect_negative", "detect_positive"], infer: inferTest),
      OperatorRule("LeakyRelu", inputs: 1...1, attributes: ["alpha"], infer: like(.float)),
      OperatorRule("Elu", inputs: 1...1, attributes: ["alpha"], infer: like(.float)),
      OperatorRule("Celu", inputs: 1...1, attributes: ["alpha"], infer: like(.float)),
      OperatorRule("Selu", inputs: 1...1, attributes: ["alpha", "gamma"], infer: like(.float)),
      OperatorRule("ThresholdedRelu", inputs: 1...1, attributes: ["alpha"], infer: like(.float)),
      OperatorRule("HardSigmoid", inputs: 1...1, attributes: ["alpha", "beta"], infer: like(.float)),
      OperatorRule("Swish", inputs: 1...1, attributes: ["alpha"], infer: like(.float)),
      OperatorRule("Gelu", inputs: 1...1, attributes: ["approximate"], infer: inferGelu),
      OperatorRule("Shrink", inputs: 1...1, attributes: ["bias", "lambd"], infer: like(.numeric)),
    ]

  /// The output is of the input's type and shape.
  static func like(_ allowed: ElementSet) -> OperatorRule.Inference {
    { context throws(GraphError) in
      try context.expect(0, allowed)
      if let type = context.valueType(0) { context.setOutput(0, type) }
    }
  }

  @Sendable private static func inferGelu(_ context: inout InferenceContext) throws(GraphError) {
    _ = try GeluAttributes(context.node)
    try like(.float)(&context)
  }

  @Sendable private static func inferTest(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, ElementSet(where: \.isFloatingPoint))
    context.setOutput(0, .bool, context.dimensions(0))
  }

  @Sendable private static func inferClip(_ context: inout InferenceContext) throws(GraphError) {
    let element = try context.commonElement(0..<3)
    try context.expect(0, .numeric)
    for bound in 1..<3 {
      // A scalar by the standard; files also have vectors of one element.
      guard let dimensions = context.dimensions(bound) else { continue }
      if dimensions.count > 1 || dimensions.contains(where: { $0.extent.map { $0 != 1 } ?? false }) {
        throw context.error("input \(bound) must hold one element")
      }
    }
    if let element { context.setOutput(0, element, context.dimensions(0)) }
  }

  // MARK: Two inputs

  private static let binary: [OperatorRule] =
    ["Add", "Sub", "Mul", "Div"].map {
      OperatorRule(OperatorName(type: $0), inputs: 2...2, infer: inferArithmetic)
    }
    + ["And", "Or", "Xor"].map {
      OperatorRule(OperatorName(type: $0), inputs: 2...2, infer: same(.bool, count: 2))
    }
    + ["BitwiseAnd", "BitwiseOr", "BitwiseXor"].map {
      OperatorRule(OperatorName(type: $0), inputs: 2...2, infer: same(.integer, count: 2))
    }
    + [OperatorRule("Pow", inputs: 2...2, infer: inferPow)]

  private static let comparisons: [OperatorRule] =
    ["Less", "LessOrEqual", "Greater", "GreaterOrEqual"].map {
      OperatorRule(OperatorName(type: $0), inputs: 2...2, infer: comparison(.numeric))
    } + [OperatorRule("Equal", inputs: 2...2, infer: comparison(.all))]

  private static let variadic: [OperatorRule] =
    ["Sum", "Mean"].map { OperatorRule(OperatorName(type: $0), inputs: 1...Int.max, infer: same(.float)) }
    + ["Min", "Max"].map { OperatorRule(OperatorName(type: $0), inputs: 1...Int.max, infer: same(.numeric)) }

  /// Inputs of one type, broadcast; the output is of that type. `count` nil: all inputs.
  private static func same(_ allowed: ElementSet, count: Int? = nil) -> OperatorRule.Inference {
    { context throws(GraphError) in
      try context.setBroadcast(inputs: 0..<(count ?? context.node.inputs.count), allowed: allowed)
    }
  }

  @Sendable private static func inferArithmetic(_ context: inout InferenceContext) throws(GraphError) {
    try context.setBroadcast(inputs: 0..<2, allowed: .numeric)
    context.setElements(0, SizeArithmetic.combine(context))
  }

  @Sendable private static func inferPow(_ context: inout InferenceContext) throws(GraphError) {
    // Base and exponent may be of different types; the result is of the base's.
    try context.expect(0, [.float, .index])
    try context.expect(1, .numeric)
    let dimensions = try context.broadcast(context.dimensions(0), context.dimensions(1))
    if let element = context.element(0) { context.setOutput(0, element, dimensions) }
  }

  @Sendable private static func inferBitShift(_ context: inout InferenceContext) throws(GraphError) {
    _ = try BitShiftAttributes(context.node)
    try context.setBroadcast(inputs: 0..<2, allowed: .unsigned)
  }

  private static func comparison(_ allowed: ElementSet) -> OperatorRule.Inference {
    { context throws(GraphError) in
      try context.setBroadcast(inputs: 0..<2, allowed: allowed, element: .bool)
    }
  }

  @Sendable private static func inferPRelu(_ context: inout InferenceContext) throws(GraphError) {
    let element = try context.commonElement(0..<2)
    try context.expect(0, [.float, .integer])
    // The slope is broadcast to the input, never the other way round.
    let dimensions = try context.broadcast(context.dimensions(0), context.dimensions(1))
    if let dimensions, let input = context.dimensions(0), dimensions.count != input.count {
      throw context.error("the slope has a higher rank than the input")
    }
    if let element { context.setOutput(0, element, context.dimensions(0)) }
  }

  // MARK: Three inputs

  @Sendable private static func inferWhere(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .bool)
    let element = try context.commonElement(1..<3)
    let values = try context.broadcast(context.dimensions(1), context.dimensions(2))
    let dimensions = try context.broadcast(context.dimensions(0), values)
    if let element { context.setOutput(0, element, dimensions) }
    context.setElements(0, SizeArithmetic.select(context))
  }
}

extension InferenceContext {
  /// Checks that `inputs` share an element type in `allowed` and sets output 0 to their broadcast shape.
  mutating func setBroadcast(
    inputs: Range<Int>, allowed: ElementSet, element result: ElementType? = nil
  ) throws(GraphError) {
    let common = try commonElement(inputs)
    var shape: [Dimension]? = []
    for input in inputs {
      try expect(input, allowed)
      shape = try broadcast(shape, dimensions(input))
    }
    if let element = result ?? common { setOutput(0, element, shape) }
  }
}
