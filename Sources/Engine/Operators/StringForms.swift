import GraphIR
import Tensors

/// Operators that move or compare elements without understanding them run on strings by their rank: each
/// distinct string gets its place in the order of all bytes, the operator runs on int64, and results become
/// strings again.
enum StringForms {
  private static let moved: Set<OperatorName> = [
    "CenterCropPad", "Compress", "Concat", "DepthToSpace", "Equal", "Expand", "Flatten", "Gather",
    "GatherElements", "GatherND", "Identity", "OneHot", "Pad", "Reshape", "ReverseSequence",
    "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze", "TensorScatter", "Tile",
    "Transpose", "Trilu", "Unique", "Unsqueeze", "Where",
  ]

  /// How `source` runs when it has string operands; nil when it has none, or has a kernel of its own for them.
  static func implementation(_ source: OperatorSource, _ options: CompileOptions) throws
    -> OperatorImplementation?
  {
    let operands = source.inputs + source.outputs
    guard operands.contains(where: { $0?.tensor?.element == .string }) else { return nil }
    if source.node.op == "Cast" || source.node.op == "CastLike" {
      return .dynamic(try StringCastOperator(source))
    }
    guard moved.contains(source.node.op), let rule = EngineTable.rule(for: source.node.op),
      let entry = EngineTable.entry(for: source.node.op)
    else { return nil }
    let ranked = OperatorSource(
      node: source.node, inputs: source.inputs.map(ranked), outputs: source.outputs.map(ranked))
    let runner = NodeRunner(
      rule: rule, implementation: try entry.implementation(ranked), memoryLimit: options.tensorLimit)
    return .dynamic(
      RankedStringOperator(
        node: source.node, runner: runner,
        isString: source.outputs.map { $0?.tensor?.element == .string }))
  }

  private static func ranked(_ type: ValueType?) -> ValueType? {
    guard let tensor = type?.tensor, tensor.element == .string else { return type }
    return .tensor(TensorType(.int64, tensor.dimensions))
  }
}

private struct RankedStringOperator: DynamicOperator {
  let node: Node
  let runner: NodeRunner
  /// Which outputs hold ranks.
  let isString: [Bool]

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let ranks = StringRanks(inputs.compactMap { $0?.tensor?.strings })
    let numbers = try inputs.map { value -> RuntimeValue? in
      guard let tensor = value?.tensor, let strings = tensor.strings else { return value }
      return .tensor(try Tensor(shape: tensor.shape, ranks.encode(strings)))
    }
    let results = try runner.run(node, numbers, isWeight: inputs.map { _ in false }, team: context.team)
    return try results.enumerated().map { index, value in
      guard let tensor = value?.tensor else {
        // The place of an omitted output.
        return .optional(nil)
      }
      if !isString[index] { return .tensor(tensor) }
      let strings = tensor.array(of: Int.self).map { ranks.strings[$0] }
      return .tensor(try Tensor(shape: tensor.shape, strings: strings))
    }
  }
}

/// Numbers strings in the order of their bytes. Swift's own comparison takes different bytes for equal when
/// they stand for the same characters; ONNX does not.
private struct StringRanks {
  let strings: [String]
  private let ranks: [[UInt8]: Int]

  init(_ lists: [[String]]) {
    // The empty string, with which operators fill up, is always there and the first.
    var distinct: [[UInt8]: String] = [[]: ""]
    for strings in lists { for string in strings { distinct[Array(string.utf8)] = string } }
    let sorted = distinct.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    strings = sorted.map(\.value)
    ranks = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1.key, $0) })
  }

  func encode(_ strings: [String]) -> [Int] { strings.map { ranks[Array($0.utf8)] ?? 0 } }
}

/// `Cast` between strings and numbers. Numbers are written as short as they can be read back exactly.
struct StringCastOperator: DynamicOperator {
  private let to: ElementType

  init(_ source: OperatorSource) throws {
    guard let to = source.outputElement(), let from = source.element(0) else {
      throw OperatorFailure.invalid("the types are not known")
    }
    self.to = to
    let other = from == .string ? to : from
    if from != .string || to != .string {
      if other == .bool && to != .string { throw OperatorFailure.type(from, to) }
      _ = try ElementAccess(other)
    }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let tensor = try ValueInputs(inputs).tensor(0)
    if let strings = tensor.strings {
      return [.tensor(try Self.parse(strings, tensor.shape, to))]
    }
    return [.tensor(try Tensor(shape: tensor.shape, strings: try Self.write(tensor)))]
  }

  private static func write(_ tensor: Tensor) throws -> [String] {
    switch tensor.type {
    case .bool: return tensor.array(of: Bool.self).map { $0 ? "1" : "0" }
    case .float16: return tensor.array(of: Float16.self).map(\.description)
    case let type where [ElementType].numbers.contains(type):
      return try type.withArithmetic(Writer(tensor: tensor))
    default:
      let access = try ElementAccess(tensor.type)
      return tensor.withBytes { bytes in
        guard let start = bytes.baseAddress else { return [] }
        return (0..<tensor.elementCount).map { index in
          let value = access.read(start, index)
          return tensor.type.isInteger ? Int(value).description : Float(value).description
        }
      }
    }
  }

  private struct Writer: ArithmeticVisitor {
    let tensor: Tensor
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> [String] {
      tensor.array(of: Element.self).map { String(describing: $0) }
    }
  }

  private static func parse(_ strings: [String], _ shape: Shape, _ to: ElementType) throws -> Tensor {
    switch to {
    case .string: try Tensor(shape: shape, strings: strings)
    case .float32: try Tensor(shape: shape, strings.map { try number($0, Float.init) })
    case .float64: try Tensor(shape: shape, strings.map { try number($0, Double.init) })
    case .float16: try Tensor(shape: shape, strings.map { Float16(try number($0, Float.init)) })
    case .int8: try Tensor(shape: shape, strings.map { try integer($0) as Int8 })
    case .int16: try Tensor(shape: shape, strings.map { try integer($0) as Int16 })
    case .int32: try Tensor(shape: shape, strings.map { try integer($0) as Int32 })
    case .int64: try Tensor(shape: shape, strings.map { try integer($0) as Int })
    case .uint8: try Tensor(shape: shape, strings.map { try integer($0) as UInt8 })
    case .uint16: try Tensor(shape: shape, strings.map { try integer($0) as UInt16 })
    case .uint32: try Tensor(shape: shape, strings.map { try integer($0) as UInt32 })
    case .uint64: try Tensor(shape: shape, strings.map { try integer($0) as UInt64 })
    default: try parseSmall(strings, shape, to)
    }
  }

  /// Types that are read as float32 and then converted.
  private static func parseSmall(_ strings: [String], _ shape: Shape, _ to: ElementType) throws -> Tensor {
    let access = try ElementAccess(to)
    let values = try strings.map { try number($0, Double.init) }
    var result = try Tensor(type: to, shape: shape)
    result.withMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      for (index, value) in values.enumerated() { access.write(start, index, value) }
    }
    return result
  }

  /// A text that is no integer may still be a number that is cut to one: `100.5`.
  private static func integer<Number: FixedWidthInteger>(_ text: String) throws -> Number {
    if let value = Number(text) { return value }
    guard let value = Double(text), let whole = Number(exactly: value.rounded(.towardZero)) else {
      throw OperatorFailure.invalid("'\(text.prefix(40))' is no number of this type")
    }
    return whole
  }

  private static func number<Number>(_ text: String, _ parse: (String) -> Number?) throws -> Number {
    guard let value = parse(text) else { throw OperatorFailure.invalid("'\(text.prefix(40))' is no number") }
    return value
  }
}
