import GraphIR
import Tensors

extension EngineTable {
  static let classicalOperators: [OperatorEntry] = [
    entry("Scaler") {
      ScalerOperator(offset: try $0.node.floats("offset") ?? [], scale: try $0.node.floats("scale") ?? [])
    },
    entry("Normalizer") { NormalizerOperator(norm: try $0.node.choice("norm", default: .max)) },
    entry("Binarizer") { BinarizerOperator(threshold: try $0.node.float("threshold", default: 0)) },
    entry("Imputer") { try ImputerOperator($0.node) },
    entry("ArrayFeatureExtractor") { _ in FeatureExtractorOperator() },
    entry("LabelEncoder") { try LabelEncoderOperator($0) },
    entry("LinearRegressor") { try LinearModelOperator($0.node, isClassifier: false) },
    entry("LinearClassifier") { try LinearModelOperator($0.node, isClassifier: true) },
    entry("TreeEnsemble") { try TreeRegressorOperator($0) },
    entry("TreeEnsembleRegressor") { try TreeRegressorOperator($0) },
    entry("TreeEnsembleClassifier") { try TreeClassifierOperator($0.node) },
  ]

  private static func entry(_ type: String, _ make: @escaping OperatorEntry.DynamicFactory) -> OperatorEntry {
    OperatorEntry(dynamic: OperatorName(domain: "ai.onnx.ml", type: type), make: make)
  }
}

private func tensor(_ inputs: [RuntimeValue?], _ index: Int) throws -> Tensor {
  guard let tensor = inputs[index]?.tensor else {
    throw OperatorFailure.invalid("input \(index) is no tensor")
  }
  return tensor
}

/// `Scaler`: (x - offset) * scale, one pair for all features or one for each.
struct ScalerOperator: DynamicOperator {
  let offset: [Float]
  let scale: [Float]

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try tensor(inputs, 0)
    let columns = x.shape.dimensions.last ?? 1
    for list in [offset, scale] where list.count != 1 && list.count != columns {
      throw OperatorFailure.invalid("\(list.count) offsets or scales for \(columns) features")
    }
    let values = try FeatureRows.doubles(x).enumerated().map { position, value in
      let column = position % max(columns, 1)
      return (Float(value) - offset[offset.count == 1 ? 0 : column]) * scale[scale.count == 1 ? 0 : column]
    }
    return [.tensor(try Tensor(shape: x.shape, values))]
  }
}

/// `Normalizer`: each sample divided by its norm; a norm of 0 divides nothing.
struct NormalizerOperator: DynamicOperator {
  enum Norm: String, CaseIterable, Sendable {
    case max = "MAX"
    case l1 = "L1"
    case l2 = "L2"
  }
  let norm: Norm

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let features = try FeatureRows(inputs[0])
    var results: [Float] = []
    for row in 0..<features.rows {
      let sample = features[row]
      let length =
        switch norm {
        case .max: sample.max() ?? 0
        case .l1: sample.reduce(0) { $0 + abs($1) }
        case .l2: sample.reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
      results += sample.map { Float(length == 0 ? $0 : $0 / length) }
    }
    return [.tensor(try Tensor(shape: try tensor(inputs, 0).shape, results))]
  }
}

/// `Binarizer`: 1 above the threshold, else 0.
struct BinarizerOperator: DynamicOperator {
  let threshold: Float

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try tensor(inputs, 0)
    return [.tensor(try x.type.withArithmetic(Worker(x: x, threshold: Double(threshold))))]
  }

  private struct Worker: ArithmeticVisitor {
    let x: Tensor
    let threshold: Double
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> Tensor {
      try Tensor(
        shape: x.shape, x.array(of: Element.self).map { $0.asDouble > threshold ? Element.one : Element.zero }
      )
    }
  }
}

/// `Imputer`: a value in place of the one that stands for a missing feature.
struct ImputerOperator: DynamicOperator {
  private let floats: [Float]
  private let integers: [Int]
  private let missing: Float
  private let missingInteger: Int

  init(_ node: Node) throws {
    floats = try node.floats("imputed_value_floats") ?? []
    integers = try node.ints("imputed_value_int64s") ?? []
    missing = try node.float("replaced_value_float", default: 0)
    missingInteger = try node.int("replaced_value_int64", default: 0)
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try tensor(inputs, 0)
    let columns = max(x.shape.dimensions.last ?? 1, 1)
    let count = x.type == .int64 ? integers.count : floats.count
    if count != 1 && count != columns {
      throw OperatorFailure.invalid("\(count) values to put in for \(columns) features")
    }
    func place(_ position: Int) -> Int { count == 1 ? 0 : position % columns }
    switch x.type {
    case .int64:
      let values = x.array(of: Int.self).enumerated().map { $1 == missingInteger ? integers[place($0)] : $1 }
      return [.tensor(try Tensor(shape: x.shape, values))]
    case .float32:
      let isMissing: (Float) -> Bool = { missing.isNaN ? $0.isNaN : $0 == missing }
      let values = x.array(of: Float.self).enumerated().map { isMissing($1) ? floats[place($0)] : $1 }
      return [.tensor(try Tensor(shape: x.shape, values))]
    default: throw OperatorFailure.type(x.type)
    }
  }
}

/// `ArrayFeatureExtractor`: columns by index.
struct FeatureExtractorOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    var x = try tensor(inputs, 0)
    if x.shape.rank < 1 { throw OperatorFailure.invalid("features have no axis") }
    if x.shape.rank == 1 { x = try x.reshaped(to: [1, x.shape[0]]) }
    let chosen = try tensor(inputs, 1)
    guard chosen.type == .int64 else { throw OperatorFailure.type(chosen.type) }
    let indices = chosen.array(of: Int.self)
    let columns = x.shape[x.shape.rank - 1]
    if let wrong = indices.first(where: { $0 < 0 || $0 >= columns }) {
      throw OperatorFailure.invalid("feature \(wrong) of \(columns) is asked for")
    }
    return [.tensor(try SliceSelection.take(indices, of: x, axis: x.shape.rank - 1))]
  }
}

/// `LabelEncoder`: one value for each key, and a default for all others.
struct LabelEncoderOperator: DynamicOperator {
  /// Strings by their bytes, numbers by their float64; every NaN is one key.
  private enum Key: Hashable {
    case text([UInt8])
    case integer(Int)
    case number(UInt64)
  }
  private let places: [Key: Int]
  /// Values, then the default.
  private let values: Tensor

  init(_ source: OperatorSource) throws {
    let node = source.node
    var keys: Tensor
    var values: Tensor
    if let classes = try node.strings("classes_strings") {
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
    let count = keys.elementCount
    places = Dictionary(
      try Self.keys(keys).enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    var joined = try Tensor(type: values.type, shape: [count + 1])
    let fallback = try Self.fallback(node, values.type)
    if let strings = values.strings, let last = fallback.strings?.first {
      joined = try Tensor(shape: [count + 1], strings: strings + [last])
    } else {
      let width = values.type.bitWidth / 8
      joined.withMutableBytes { target in
        values.withBytes { target.copyMemory(from: $0) }
        fallback.withBytes { source in
          UnsafeMutableRawBufferPointer(rebasing: target[(count * width)...]).copyMemory(from: source)
        }
      }
    }
    self.values = joined
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try tensor(inputs, 0)
    let indices = try Self.keys(x).map { places[$0] ?? values.elementCount - 1 }
    return [.tensor(try SliceSelection.take(indices, of: values, axis: 0).reshaped(to: x.shape))]
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

  private static func keys(_ tensor: Tensor) throws -> [Key] {
    if let strings = tensor.strings { return strings.map { .text(Array($0.utf8)) } }
    if tensor.type == .int64 { return tensor.array(of: Int.self).map(Key.integer) }
    return try FeatureRows.doubles(tensor).map { value in
      .number(value.isNaN ? Double.nan.bitPattern : (value == 0 ? 0 : value.bitPattern))
    }
  }
}
