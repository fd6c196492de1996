internal import Tensors

/// Makes a map of its keys and of the tensors that a file lists as its values.
enum MapAssembly {
  /// - Parameters: one of `integers` and `strings` is empty.
  static func map(
    integers: [Int], strings: [String], _ values: [Tensor]
  ) throws(ONNXFormatError) -> RuntimeValue {
    let isText = integers.isEmpty && !strings.isEmpty
    let count = isText ? strings.count : integers.count
    // Values are one tensor for each key, or all together in one.
    let isWhole = values.count == 1 && values[0].elementCount == count
    let parts = isWhole ? [values[0]] : values
    if !isWhole && (values.count != count || values.contains { $0.elementCount != 1 }) {
      throw .malformed("a map has \(count) keys and \(values.count) values that do not fit them")
    }
    guard let type = parts.first?.type, parts.allSatisfy({ $0.type == type }) else {
      throw .malformed("a map's values are of different types, or there are none")
    }
    let order =
      isText
      ? strings.indices.sorted { Array(strings[$0].utf8).lexicographicallyPrecedes(Array(strings[$1].utf8)) }
      : integers.indices.sorted { integers[$0] < integers[$1] }
    for (a, b) in zip(order, order.dropFirst())
    where isText ? strings[a].utf8.elementsEqual(strings[b].utf8) : integers[a] == integers[b] {
      throw .malformed("a map has a key twice")
    }
    do {
      let keys =
        isText
        ? try Tensor(shape: [count], strings: order.map { strings[$0] })
        : try Tensor(shape: [count], order.map { integers[$0] })
      return .map(keys: keys, values: try joined(parts, order, type))
    } catch {
      throw .malformed("\(error)")
    }
  }

  private static func joined(_ parts: [Tensor], _ order: [Int], _ type: ElementType) throws -> Tensor {
    let shape: Shape = [order.count]
    if type == .string {
      let strings = parts.flatMap { $0.strings ?? [] }
      return try Tensor(shape: shape, strings: order.map { strings[$0] })
    }
    let width = type.bitWidth / 8
    if width == 0 { throw ONNXFormatError.malformed("a map has \(type.name) values") }
    let bytes = parts.flatMap { part in part.withBytes { Array($0) } }
    var sorted: [UInt8] = []
    for place in order { sorted += bytes[place * width..<(place + 1) * width] }
    return try sorted.withUnsafeBytes { try Tensor(type: type, shape: shape, copying: $0) }
  }
}
