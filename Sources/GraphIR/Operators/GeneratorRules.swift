import Tensors

/// Operators that make tensors from attributes or sizes, and conversions of the element type.
enum GeneratorRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "Constant", inputs: 0...0,
      attributes: [
        "sparse_value", "value", "value_float", "value_floats", "value_int", "value_ints", "value_string",
        "value_strings",
      ], infer: inferConstant),
    OperatorRule("ConstantOfShape", inputs: 1...1, attributes: ["value"], infer: inferConstantOfShape),
    OperatorRule("Range", inputs: 3...3, attributes: ["stash_type"], infer: inferRange),
    OperatorRule("EyeLike", inputs: 1...1, attributes: ["dtype", "k"], infer: inferEyeLike),
    OperatorRule("Cast", inputs: 1...1, attributes: ["round_mode", "saturate", "to"], infer: inferCast),
    OperatorRule("BitCast", inputs: 1...1, attributes: ["to"], infer: inferBitCast),
    OperatorRule("CastLike", inputs: 2...2, attributes: ["round_mode", "saturate"], infer: inferCastLike),
    OperatorRule(
      "Dropout", inputs: 1...3, outputs: 1...2, attributes: ["seed"], isDeterministic: false,
      infer: inferDropout),
    random("RandomNormal", ["dtype", "mean", "scale", "seed", "shape"]),
    random("RandomUniform", ["dtype", "high", "low", "seed", "shape"]),
    randomLike("RandomNormalLike", ["dtype", "mean", "scale", "seed"]),
    randomLike("RandomUniformLike", ["dtype", "high", "low", "seed"]),
    randomLike("Bernoulli", ["dtype", "seed"]),
    OperatorRule(
      "Multinomial", inputs: 1...1, attributes: ["dtype", "sample_size", "seed"], isDeterministic: false,
      infer: inferMultinomial),
  ]

  @Sendable private static func inferConstant(_ context: inout InferenceContext) throws(GraphError) {
    guard let (shape, element, tensor) = try ConstantAttributes.read(context.node) else {
      throw context.error("must have exactly one value attribute")
    }
    context.setOutput(0, .tensor(TensorType(element, shape: shape)))
    if shape.rank <= 1, let values = tensor?.integers, values.count <= SizeArithmetic.maximumCount {
      context.setElements(0, values.map(Dimension.known))
    }
  }

  @Sendable private static func inferConstantOfShape(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .int64)
    let value = try context.node.tensor("value")
    if let value, value.elementCount != 1 { throw context.error("attribute 'value' must hold one element") }
    var dimensions = context.knownElements(0)
    if dimensions == nil, let rank = context.dimensions(0)?.first?.extent, rank <= TensorType.maximumRank {
      dimensions = Array(repeating: .unknown, count: rank)
    }
    context.setOutput(0, value?.type ?? .float32, dimensions)
    if let count = dimensions?.first?.extent, dimensions?.count == 1, count <= SizeArithmetic.maximumCount,
      count >= 0,
      let fill = value?.integers?.first
    {
      context.setElements(0, Array(repeating: .known(fill), count: count))
    }
  }

  @Sendable private static func inferRange(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, [.float, .signed])
    guard let element = try context.commonElement(0..<3) else { return }
    context.setOutput(0, element, [try RangeCount.read(context)])
  }

  @Sendable private static func inferEyeLike(_ context: inout InferenceContext) throws(GraphError) {
    try context.expectRank(0, 2...2)
    let declared = try context.node.elementType("dtype")
    _ = try context.node.int("k", default: 0)
    guard let element = declared ?? context.element(0) else { return }
    context.setOutput(0, element, context.dimensions(0) ?? [.unknown, .unknown])
  }

  @Sendable private static func inferCast(_ context: inout InferenceContext) throws(GraphError) {
    guard let element = try context.node.elementType("to") else {
      throw context.error("attribute 'to' is required")
    }
    _ = try CastAttributes(context.node)
    context.setOutput(0, element, context.dimensions(0))
    if ElementSet.index.contains(element) { context.setElements(0, context.knownElements(0)) }
  }

  @Sendable private static func inferBitCast(_ context: inout InferenceContext) throws(GraphError) {
    guard let element = try context.node.elementType("to") else {
      throw context.error("attribute 'to' is required")
    }
    guard let own = context.element(0) else { return context.setOutput(0, element, context.dimensions(0)) }
    if own.bitWidth != element.bitWidth || own == .string || element == .string {
      throw context.error("the bits of \(own.name) cannot be read as \(element.name)")
    }
    context.setOutput(0, element, context.dimensions(0))
  }

  @Sendable private static func inferCastLike(_ context: inout InferenceContext) throws(GraphError) {
    _ = try CastAttributes(context.node)
    guard let element = context.element(1) else { return }
    context.setOutput(0, element, context.dimensions(0))
    if ElementSet.index.contains(element) { context.setElements(0, context.knownElements(0)) }
  }

  @Sendable private static func inferDropout(_ context: inout InferenceContext) throws(GraphError) {
    for input in 1..<3 { try context.expectRank(input, 0...0) }
    try context.expect(1, .float)
    try context.expect(2, .bool)
    context.copyType()
    context.setOutput(1, .bool, context.dimensions(0))
  }

  private static func random(_ type: String, _ attributes: [String]) -> OperatorRule {
    OperatorRule(
      OperatorName(type: type), inputs: 0...0, attributes: attributes, isDeterministic: false
    ) { context throws(GraphError) in
      guard let shape = try context.node.ints("shape") else {
        throw context.error("attribute 'shape' is required")
      }
      let element = try context.node.elementType("dtype") ?? .float32
      context.setOutput(0, element, shape.map(Dimension.known))
    }
  }

  private static func randomLike(_ type: String, _ attributes: [String]) -> OperatorRule {
    OperatorRule(
      OperatorName(type: type), inputs: 1...1, attributes: attributes, isDeterministic: false
    ) { context throws(GraphError) in
      let declared = try context.node.elementType("dtype")
      if let element = declared ?? context.element(0) { context.setOutput(0, element, context.dimensions(0)) }
    }
  }

  @Sendable private static func inferMultinomial(_ context: inout InferenceContext) throws(GraphError) {
    try context.expectRank(0, 2...2)
    let element = try context.node.elementType("dtype") ?? .int32
    let samples = try context.node.int("sample_size", default: 1)
    context.setOutput(0, element, [context.dimensions(0)?[0] ?? .unknown, .known(samples)])
  }
}

/// `Cast` and `CastLike`.
public struct CastAttributes: Sendable {
  /// How float8e8m0 results are rounded.
  public enum Rounding: String, CaseIterable, Sendable { case up, down, nearest }
  /// Out-of-range values become the largest float 8 instead of NaN or infinity.
  public let saturates: Bool
  public let rounding: Rounding

  public init(_ node: Node) throws(GraphError) {
    saturates = try node.flag("saturate", default: true)
    rounding = try node.choice("round_mode", default: .up)
  }
}

/// `Constant`: the one attribute that is set.
public enum ConstantAttributes {
  /// Shape, element type and elements; the elements are nil for a sparse value, the whole nil when not exactly
  /// one attribute is set.
  public static func read(_ node: Node) throws(GraphError) -> (
    shape: Shape, element: ElementType, tensor: Tensor?
  )? {
    guard node.attributes.entries.count == 1, let value = node.attributes.entries.first?.value else {
      return nil
    }
    if case .sparseTensor(let sparse) = value { return (sparse.shape, sparse.values.type, nil) }
    do {
      let tensor: Tensor
      switch value {
      case .tensor(let value): tensor = value
      case .int(let value): tensor = try Tensor(scalar: value)
      case .float(let value): tensor = try Tensor(scalar: value)
      case .string(let value): tensor = try Tensor(shape: .scalar, strings: [value])
      case .ints(let values): tensor = try Tensor(shape: [values.count], values)
      case .floats(let values): tensor = try Tensor(shape: [values.count], values)
      case .strings(let values): tensor = try Tensor(shape: [values.count], strings: values)
      default: return nil
      }
      return (tensor.shape, tensor.type, tensor)
    } catch {
      throw node.error("value: \(error)")
    }
  }
}

extension ConstantAttributes {
  /// All elements, the zeros of a sparse value written out; nil when not exactly one attribute is set.
  public static func dense(_ node: Node) throws(GraphError) -> Tensor? {
    if case .sparseTensor(let sparse)? = node.attributes["sparse_value"] {
      return try sparse.dense(name: node.name)
    }
    return try read(node)?.tensor
  }
}

/// How many elements a Range has.
public enum RangeCount {
  static func read(_ context: InferenceContext) throws(GraphError) -> Dimension {
    if let start = context.constant(0), let limit = context.constant(1), let delta = context.constant(2) {
      guard let count = count(start: start, limit: limit, delta: delta) else {
        throw context.error("a range needs scalars and a delta that is not 0")
      }
      return .known(count)
    }
    guard let start = context.knownElements(0), let limit = context.knownElements(1),
      let delta = context.knownElements(2), start.count == 1, limit.count == 1, delta.count == 1
    else { return .unknown }
    if start == [.known(0)], delta == [.known(1)], limit[0].extent == nil { return limit[0] }
    guard let first = start[0].extent, let end = limit[0].extent, let step = delta[0].extent, step != 0 else {
      return .unknown
    }
    return .known(count(first, end, step))
  }

  /// `max(ceil((limit - start) / delta), 0)`; nil when a tensor is no number, `delta` is 0, or the count is no
  /// integer that can be addressed.
  public static func count(start: Tensor, limit: Tensor, delta: Tensor) -> Int? {
    guard start.elementCount == 1, limit.elementCount == 1, delta.elementCount == 1 else { return nil }
    if let a = integer(start), let b = integer(limit), let d = integer(delta) {
      return d == 0 ? nil : count(a, b, d)
    }
    guard let a = real(start), let b = real(limit), let d = real(delta), d != 0 else { return nil }
    let count = ((b - a) / d).rounded(.up)
    return count <= 0 ? 0 : Int(exactly: count)
  }

  private static func count(_ start: Int, _ limit: Int, _ delta: Int) -> Int {
    if delta > 0 ? limit <= start : limit >= start { return 0 }
    // The distance may need 64 bits without a sign.
    let distance = delta > 0 ? UInt(bitPattern: limit &- start) : UInt(bitPattern: start &- limit)
    return Int(clamping: (distance - 1) / delta.magnitude + 1)
  }

  private static func integer(_ tensor: Tensor) -> Int? {
    tensor.type == .int16 ? Int(tensor.array(of: Int16.self)[0]) : tensor.integers?.first
  }

  private static func real(_ tensor: Tensor) -> Double? {
    switch tensor.type {
    case .float32: Double(tensor.array(of: Float.self)[0])
    case .float64: tensor.array(of: Double.self)[0]
    case .float16: Double(tensor.array(of: Float16.self)[0])
    case .bfloat16:
      tensor.withBytes { Double(Float(bitPattern: UInt32($0.loadUnaligned(as: UInt16.self)) << 16)) }
    default: nil
    }
  }
}
