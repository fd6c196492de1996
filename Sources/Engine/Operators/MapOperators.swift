import Glibc
import GraphIR
import Tensors

/// `ZipMap`: a map from class label to score for each sample.
struct ZipMapOperator: DynamicOperator {
  private let labels: Tensor
  /// Places of the labels in ascending order: maps are kept so. Of equal labels the last one stays.
  private let order: [Int]

  init(_ node: Node) throws {
    if let strings = try node.strings("classlabels_strings"), !strings.isEmpty {
      labels = try Tensor(shape: [strings.count], strings: strings)
    } else {
      let integers = try node.ints("classlabels_int64s") ?? []
      labels = try Tensor(shape: [integers.count], integers)
    }
    order = MapKeys.ascending(labels)
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try ValueInputs(inputs).tensor(0)
    let shape = try FeatureShape(x.shape)
    if shape.columns != labels.elementCount {
      throw OperatorFailure.invalid("\(shape.columns) scores for \(labels.elementCount) labels")
    }
    guard x.type == .float32 else { throw OperatorFailure.type(x.type) }
    let keys = try SliceSelection.take(order, of: labels, axis: 0)
    return try x.withElements(Float.self) { scores throws -> [RuntimeValue] in
      [
        .sequence(
          try (0..<shape.rows).map { row in
            let values = order.map { scores[row * shape.columns + $0] }
            return .map(keys: keys, values: try Tensor(shape: [values.count], values))
          })
      ]
    }
  }
}

enum MapKeys {
  /// The places of the distinct keys, smallest key first; strings by their bytes.
  static func ascending(_ keys: Tensor) -> [Int] {
    if let strings = keys.strings {
      let bytes = strings.map { Array($0.utf8) }
      let last = Dictionary(bytes.enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
      return last.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    }
    let last = Dictionary(keys.array(of: Int.self).enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
    return last.sorted { $0.key < $1.key }.map(\.value)
  }
}

extension ValueInputs {
  /// The keys and values of a map.
  func map(_ index: Int) throws -> (keys: Tensor, values: Tensor) {
    guard case .map(let keys, let values) = try value(index) else {
      throw OperatorFailure.invalid("input \(index) is no map")
    }
    return (keys, values)
  }
}

/// `DictVectorizer`: the values of the vocabulary's keys; what the map lacks is 0 or an empty string.
struct DictVectorizerOperator: DynamicOperator {
  private let vocabulary: Tensor

  init(_ source: OperatorSource) throws {
    let node = source.node
    if let strings = try node.strings("string_vocabulary"), !strings.isEmpty {
      vocabulary = try Tensor(shape: [strings.count], strings: strings)
    } else {
      let integers = try node.ints("int64_vocabulary") ?? []
      vocabulary = try Tensor(shape: [integers.count], integers)
    }
    if let element = source.outputElement(), ![.string, .int64, .float32, .float64].contains(element) {
      throw OperatorFailure.type(element)
    }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let (keys, values) = try ValueInputs(inputs).map(0)
    guard keys.type == vocabulary.type else { throw OperatorFailure.type(keys.type) }
    let places = try KeyTable(keys, keepsFirst: false).places(of: vocabulary)
    let shape: Shape = [1, vocabulary.elementCount]
    if let strings = values.strings {
      return [.tensor(try Tensor(shape: shape, strings: places.map { $0.map { strings[$0] } ?? "" }))]
    }
    let width = values.type.bitWidth / 8
    var result = try Tensor(type: values.type, shape: shape)
    result.withMutableBytes { target in
      values.withBytes { source in
        for (index, place) in places.enumerated() {
          guard let place else { continue }
          for byte in 0..<width { target[index * width + byte] = source[place * width + byte] }
        }
      }
    }
    return [.tensor(result)]
  }
}

/// `CastMap`: the values of a map in the order of their keys. SPARSE puts each at the place that its key names and fills
/// the others up with zeros; a string there is "0.f", as in onnxruntime.
struct CastMapOperator: DynamicOperator {
  private let target: String
  /// nil: DENSE.
  private let width: Int?

  init(_ node: Node) throws {
    target = try node.string("cast_to", default: "TO_FLOAT")
    switch try node.string("map_form", default: "DENSE") {
    case "DENSE": width = nil
    case "SPARSE": width = try node.int("max_map", default: 1)
    case let other: throw OperatorFailure.unsupported("map_form '\(other)'")
    }
    if let width, !(0...(1 << 28)).contains(width) { throw OperatorFailure.invalid("max_map is \(width)") }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let (keys, values) = try ValueInputs(inputs).map(0)
    guard keys.type == .int64 else { throw OperatorFailure.type(keys.type) }
    let indices = keys.array(of: Int.self)
    if width != nil, let wrong = indices.first(where: { $0 < 0 }) {
      throw OperatorFailure.invalid("key \(wrong) is negative")
    }
    func place<Element>(_ elements: [Element], _ filler: Element) -> [Element] {
      guard let width else { return elements }
      var result = Array(repeating: filler, count: width)
      for (index, element) in zip(indices, elements) where index < width { result[index] = element }
      return result
    }
    let tensor: Tensor
    switch target {
    case "TO_FLOAT":
      let row = place(try numbers(values).map { Float($0) }, 0)
      tensor = try Tensor(shape: [1, row.count], row)
    case "TO_INT64":
      let row = place(try numbers(values).map { Int64(saturating: $0) }, 0)
      tensor = try Tensor(shape: [1, row.count], row)
    default:
      let row = place(try texts(values), "0.f")
      tensor = try Tensor(shape: [1, row.count], strings: row)
    }
    return [.tensor(tensor)]
  }

  private func numbers(_ values: Tensor) throws -> [Double] {
    guard let strings = values.strings else { return try values.doubles() }
    return try strings.map { text in
      guard let number = Double(text) else { throw OperatorFailure.invalid("'\(text)' is no number") }
      return number
    }
  }

  private func texts(_ values: Tensor) throws -> [String] {
    if let strings = values.strings { return strings }
    // Six decimals, as C++ `std::to_string` writes a number.
    return try values.doubles().map { value in
      // The longest double has 309 digits before the point.
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 328) { text in
        withVaList([value]) { _ = vsnprintf(text.baseAddress!, text.count, "%f", $0) }
        return String(cString: text.baseAddress!)
      }
    }
  }
}
