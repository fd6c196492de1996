import Tensors

extension RowRules {
  private static let unary = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Cos",
    "Cosh", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu",
    "Log", "Mish", "Neg", "Not", "Reciprocal", "RegexFullMatch", "Relu", "Round", "Selu", "Shrink", "Sigmoid",
    "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
  ]
  private static let nary = [
    "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Clip", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Max", "Mean", "Min", "Mod", "Or", "PRelu", "Pow", "StringConcat", "Sum", "Xor",
  ]

  static let elementwise =
    family(unary + nary) { try broadcast(&$0) }
    .merging(family(["CastLike"]) { $0.setAll($0.state(0)) }) { $1 }
    .merging(family(["Dropout"], dropout)) { $1 }
    .merging(family(["QuantizeLinear", "DequantizeLinear"], quantization)) { $1 }

  /// Operators that compute each element of their broadcast inputs by itself.
  static func broadcast(_ context: inout RowContext, inputs: Range<Int>? = nil) throws {
    let inputs = (inputs ?? 0..<context.states.count).filter { context.has($0) }
    var rank = 0
    for input in inputs { rank = max(rank, try context.rank(input)) }
    var found: (axis: Int, width: Extent)?
    var isExact = true
    for input in inputs {
      guard let rows = context.state(input).place else { continue }
      if context.rows(input) == nil { isExact = false }
      let axis = rows.axis + rank - (try context.rank(input))
      if let found, found.axis != axis || found.width != rows.width {
        throw RowMixing("its inputs have their rows along different axes")
      }
      found = (axis, rows.width)
    }
    guard let found else { throw RowMixing("it computes with the batch size") }
    for input in inputs where context.state(input).place == nil {
      try context.expectShared([input])
      try expectNoExtent(context, input, against: found.axis, rank: rank)
    }
    context.setAll(
      isExact
        ? .rows(axis: found.axis, width: found.width) : .extentsOnly(axis: found.axis, width: found.width))
  }

  /// What is the same for all rows must not have an extent of its own along the batch, or it would tell rows apart.
  static func expectNoExtent(_ context: RowContext, _ input: Int, against axis: Int, rank: Int) throws {
    let dimensions = try context.dimensions(input)
    let own = axis - (rank - dimensions.count)
    if own >= 0, dimensions[own] != .known(1) {
      throw RowMixing("input \(input) has an extent of its own along the batch")
    }
  }

  private static func dropout(_ context: inout RowContext) throws {
    if context.has(2), context.conditions(2) != [Extent(0)] { throw RowMixing("it may be in training mode") }
    context.setAll(context.state(0))
  }

  /// With scales for each entry of an axis, or for blocks along it, which must not be the batch's.
  private static func quantization(_ context: inout RowContext) throws {
    try context.expectShared(1..<context.states.count)
    guard let rows = context.rows(0) else { throw RowMixing("it computes with the batch size") }
    if try context.dimensions(1) != [], try context.dimensions(1) != [.known(1)] {
      let axis = context.resolve(try context.node.int("axis", default: 1), rank: try context.rank(0))
      let isBlocked = try context.rank(1) > 1
      if axis == rows.axis || isBlocked { throw RowMixing("it has scales along the batch") }
    }
    context.setAll(context.state(0))
  }
}
