import GraphIR
import Tensors

/// Finds the place of a key in a list.
struct KeyTable: Sendable {
  /// Strings by their bytes, numbers by their float64; every NaN is one key.
  private enum Key: Hashable {
    case text([UInt8])
    case integer(Int)
    case number(UInt64)

    init(_ value: Double) {
      self = .number(value.isNaN ? Double.nan.bitPattern : (value == 0 ? 0 : value.bitPattern))
    }
  }
  private let places: [Key: Int]

  /// - Parameter keepsFirst: which of several equal keys counts.
  init(_ keys: Tensor, keepsFirst: Bool) throws {
    places = Dictionary(
      try Self.keys(keys).enumerated().map { ($1, $0) }, uniquingKeysWith: { keepsFirst ? $0 : $1 })
  }

  subscript(string: String) -> Int? { places[.text(Array(string.utf8))] }

  /// The place of each element; nil for those that are not in the list.
  func places(of tensor: Tensor) throws -> [Int?] { try Self.keys(tensor).map { places[$0] } }

  /// Finds elements of `type` in memory.
  func finder(_ type: ElementType) throws -> (UnsafeRawPointer, Int) -> Int? {
    if type == .int64 {
      return { [self] bytes, index in places[.integer(bytes.assumingMemoryBound(to: Int.self)[index])] }
    }
    let access = try ElementAccess(type)
    return { [self] bytes, index in places[Key(access.read(bytes, index))] }
  }

  private static func keys(_ tensor: Tensor) throws -> [Key] {
    if let strings = tensor.strings { return strings.map { .text(Array($0.utf8)) } }
    if tensor.type == .int64 { return tensor.array(of: Int.self).map(Key.integer) }
    return try tensor.doubles().map { Key($0) }
  }
}

/// `LabelEncoder`: one value for each key, and a default for all others.
struct LabelEncoderOperator: ShapedOperator {
  fileprivate let table: KeyTable
  /// Values, then the default.
  fileprivate let values: Tensor

  static func implementation(_ source: OperatorSource) throws -> OperatorImplementation {
    let encoder = try LabelEncoderOperator(source)
    if source.element(0) == .string || encoder.values.type == .string {
      return .dynamic(StringLabelEncoder(encoder: encoder))
    }
    return .shaped(encoder)
  }

  private init(_ source: OperatorSource) throws {
    let node = source.node
    let keys: Tensor
    let values: Tensor
    let classes = try node.strings("classes_strings")
    if let classes {
      // Version 1: strings and their places, in whichever direction the input's type asks for.
      let strings = try Tensor(shape: [classes.count], strings: classes)
      let numbers = try Tensor(shape: [classes.count], Array(classes.indices))
      (keys, values) = source.element(0) == .string ? (strings, numbers) : (numbers, strings)
    } else {
      guard let given = try Self.list(node, "keys"), let results = try Self.list(node, "values") else {
        throw OperatorFailure.invalid("keys or values are missing")
      }
      (keys, values) = (given, results)
    }
    if keys.elementCount != values.elementCount {
      throw OperatorFailure.invalid("\(keys.elementCount) keys for \(values.elementCount) values")
    }
    if let element = source.element(0), element != keys.type { throw OperatorFailure.type(element) }
    table = try KeyTable(keys, keepsFirst: classes == nil)
    self.values = try Self.joined(values, try Self.fallback(node, values.type))
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let type = try request.input(0)
    let find = try table.finder(type.element)
    let width = values.type.bitWidth / 8
    let (values, last) = (values, values.elementCount - 1)
    return Kernel("label_encoder", units: type.elementCount, costPerUnit: 64, threads: request.threads) {
      operands, range in
      let (x, y) = (operands.rawInput(0), operands.rawOutput())
      values.withBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        for index in range {
          (y + index * width).copyMemory(from: base + (find(x, index) ?? last) * width, byteCount: width)
        }
      }
    }
  }

  private static func joined(_ values: Tensor, _ fallback: Tensor) throws -> Tensor {
    let count = values.elementCount
    if let strings = values.strings, let last = fallback.strings?.first {
      return try Tensor(shape: [count + 1], strings: strings + [last])
    }
    var joined = try Tensor(type: values.type, shape: [count + 1])
    let width = values.type.bitWidth / 8
    joined.withMutableBytes { target in
      values.withBytes { target.copyMemory(from: $0) }
      fallback.withBytes { source in
        UnsafeMutableRawBufferPointer(rebasing: target[(count * width)...]).copyMemory(from: source)
      }
    }
    return joined
  }

  private static func list(_ node: Node, _ name: String) throws -> Tensor? {
    if let tensor = try node.tensor(name + "_tensor") {
      return try tensor.reshaped(to: [tensor.elementCount])
    }
    if let list = try node.strings(name + "_strings"), !list.isEmpty {
      return try Tensor(shape: [list.count], strings: list)
    }
    if let list = try node.ints(name + "_int64s"), !list.isEmpty {
      return try Tensor(shape: [list.count], list)
    }
    if let list = try node.floats(name + "_floats") { return try Tensor(shape: [list.count], list) }
    return nil
  }

  private static func fallback(_ node: Node, _ type: ElementType) throws -> Tensor {
    if let tensor = try node.tensor("default_tensor") {
      if tensor.type != type || tensor.elementCount != 1 { throw OperatorFailure.type(tensor.type) }
      return tensor
    }
    switch type {
    case .string:
      return try Tensor(shape: [1], strings: [try node.string("default_string", default: "_Unused")])
    case .int64: return try Tensor(shape: [1], [try node.int("default_int64", default: -1)])
    case .float32: return try Tensor(shape: [1], [try node.float("default_float", default: -0.0)])
    case .float64: return try Tensor(shape: [1], [Double(try node.float("default_float", default: -0.0))])
    case .int16, .int32: return try type.withArithmetic(MinusOne())
    default: throw OperatorFailure.type(type)
    }
  }

  private struct MinusOne: ArithmeticVisitor {
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> Tensor {
      try Tensor(shape: [1], [Element(saturating: -1)])
    }
  }
}

private struct StringLabelEncoder: DynamicOperator {
  let encoder: LabelEncoderOperator

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try ValueInputs(inputs).tensor(0)
    let last = encoder.values.elementCount - 1
    let indices = try encoder.table.places(of: x).map { $0 ?? last }
    return [.tensor(try SliceSelection.take(indices, of: encoder.values, axis: 0).reshaped(to: x.shape))]
  }
}

/// `CategoryMapper`: strings to integers or back, as the input's type asks.
struct CategoryMapperOperator: DynamicOperator {
  private let integers: [Int]
  private let strings: [String]
  private let table: KeyTable
  private let fallback: (integer: Int, string: String)

  init(_ source: OperatorSource) throws {
    let node = source.node
    integers = try node.ints("cats_int64s") ?? []
    strings = try node.strings("cats_strings") ?? []
    if integers.count != strings.count {
      throw OperatorFailure.invalid("\(integers.count) integers for \(strings.count) strings")
    }
    let keys =
      source.element(0) == .string
      ? try Tensor(shape: [strings.count], strings: strings)
      : try Tensor(shape: [integers.count], integers)
    table = try KeyTable(keys, keepsFirst: false)
    fallback = (
      try node.int("default_int64", default: -1), try node.string("default_string", default: "_Unused")
    )
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try ValueInputs(inputs).tensor(0)
    let places = try table.places(of: x)
    if x.type == .string {
      return [.tensor(try Tensor(shape: x.shape, places.map { $0.map { integers[$0] } ?? fallback.integer }))]
    }
    return [
      .tensor(try Tensor(shape: x.shape, strings: places.map { $0.map { strings[$0] } ?? fallback.string }))
    ]
  }
}
