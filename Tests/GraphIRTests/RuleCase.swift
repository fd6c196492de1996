import GraphIR
import Tensors
import Testing

/// One row of a table about an operator: the types of its inputs, what is constant, the types of its outputs.
///
/// Types read `f32[batch,3,?]`; `f32` alone has an unknown rank, "" is an omitted input, `-` an unknown type.
struct RuleCase: Sendable, CustomTestStringConvertible {
  let op: OperatorName
  let inputs: [String]
  let outputs: [String]
  let attributes: Attributes
  let constants: [Int: Tensor]
  /// Part of the error that the rule must give instead of `outputs`.
  let error: String?

  init(
    _ op: OperatorName, _ inputs: [String], _ outputs: [String] = [], _ attributes: Attributes = [:],
    ints: [Int: [Int]] = [:], floats: [Int: [Float]] = [:], scalars: [Int: Int] = [:], error: String? = nil
  ) {
    self.op = op
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.error = error
    var constants: [Int: Tensor] = [:]
    for (index, values) in ints { constants[index] = try! Tensor(shape: [values.count], values) }
    for (index, values) in floats { constants[index] = try! Tensor(shape: [values.count], values) }
    for (index, value) in scalars { constants[index] = try! Tensor(scalar: value) }
    self.constants = constants
  }

  var testDescription: String { "\(op) \(inputs) \(error ?? outputs.joined(separator: " "))" }

  func run() throws {
    let count = max(error == nil ? outputs.count : 1, 1)
    let node = Node(
      name: "n", op: op, inputs: inputs.indices.map { inputs[$0].isEmpty ? .none : ValueID($0) },
      outputs: (0..<count).map { ValueID(inputs.count + $0) }, attributes: attributes)
    let rule = try #require(OperatorTable.rule(for: op))
    let types = try inputs.enumerated().map { index, text -> ValueType? in
      if let constant = constants[index] { return .tensor(TensorType(constant.type, shape: constant.shape)) }
      return try TypeText.parse(text)
    }
    var context = InferenceContext(
      node: node, inputTypes: types, constants: inputs.indices.map { constants[$0] })
    if let error {
      let thrown = #expect(throws: GraphError.self) { try rule.infer(&context) }
      #expect(thrown?.description.contains(error) == true, "\(String(describing: thrown))")
      return
    }
    try rule.infer(&context)
    #expect(context.outputTypes.map(TypeText.write) == outputs)
  }
}

/// The short form of types in tables.
enum TypeText {
  private static let names: [(String, ElementType)] = [
    ("f32", .float32), ("f64", .float64), ("f16", .float16), ("bf16", .bfloat16), ("i8", .int8),
    ("u8", .uint8),
    ("i16", .int16), ("u16", .uint16), ("i32", .int32), ("i64", .int64), ("u32", .uint32), ("u64", .uint64),
    ("i4", .int4), ("bool", .bool), ("str", .string), ("f8", .float8e4m3fn),
  ]

  struct Unreadable: Error { let text: String }

  static func parse(_ text: String) throws -> ValueType? {
    if text.isEmpty || text == "-" { return nil }
    let parts = text.split(separator: "[", maxSplits: 1)
    guard let element = names.first(where: { $0.0 == parts[0] })?.1 else { throw Unreadable(text: text) }
    if parts.count == 1 { return .tensor(TensorType(element, nil)) }
    let dimensions = parts[1].dropLast().split(separator: ",").map { part -> Dimension in
      if part == "?" { return .unknown }
      return Int(part).map(Dimension.known) ?? .symbol(String(part))
    }
    return .tensor(TensorType(element, dimensions))
  }

  static func write(_ type: ValueType?) -> String {
    guard let tensor = type?.tensor else { return "-" }
    let element = names.first { $0.1 == tensor.element }?.0 ?? tensor.element.name
    guard let dimensions = tensor.dimensions else { return element }
    return "\(element)[\(dimensions.map(\.description).joined(separator: ","))]"
  }
}
