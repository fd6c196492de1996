import Tensors

/// Values that are no tensors as JSON: sequences as arrays, maps as objects, tensors as nested arrays, an empty optional
/// as null. Numbers that JSON does not have are strings.
enum ValueJSON {
  static func text(_ value: RuntimeValue) -> String {
    switch value {
    case .optional(nil): return "null"
    case .optional(let value?): return text(value)
    case .sequence(let values): return "[" + values.map(text).joined(separator: ", ") + "]"
    case .map(let keys, let values):
      let (names, elements) = (elements(keys), elements(values))
      let members = zip(names, elements).map { name, element in
        (name.hasPrefix("\"") ? name : "\"\(name)\"") + ": " + element
      }
      return "{" + members.joined(separator: ", ") + "}"
    case .tensor(let tensor): return nested(elements(tensor)[...], tensor.shape.dimensions[...])
    }
  }

  /// A JSON string.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static func nested(_ elements: ArraySlice<String>, _ dimensions: ArraySlice<Int>) -> String {
    guard let extent = dimensions.first else { return elements.first ?? "null" }
    let width = extent == 0 ? 0 : elements.count / extent
    let rows = (0..<extent).map { row in
      let start = elements.startIndex + row * width
      return nested(elements[start..<(start + width)], dimensions.dropFirst())
    }
    return "[" + rows.joined(separator: ", ") + "]"
  }

  private static func elements(_ tensor: Tensor) -> [String] {
    if let strings = tensor.strings { return strings.map(quoted) }
    switch tensor.type {
    case .float32: return tensor.array(of: Float.self).map { number($0.description, $0.isFinite) }
    case .float64: return tensor.array(of: Double.self).map { number($0.description, $0.isFinite) }
    case .float16: return tensor.array(of: Float16.self).map { number($0.description, $0.isFinite) }
    case .bool: return tensor.array(of: Bool.self).map(\.description)
    case .int8: return tensor.array(of: Int8.self).map(\.description)
    case .int16: return tensor.array(of: Int16.self).map(\.description)
    case .int32: return tensor.array(of: Int32.self).map(\.description)
    case .int64: return tensor.array(of: Int64.self).map(\.description)
    case .uint8: return tensor.array(of: UInt8.self).map(\.description)
    case .uint16: return tensor.array(of: UInt16.self).map(\.description)
    case .uint32: return tensor.array(of: UInt32.self).map(\.description)
    case .uint64: return tensor.array(of: UInt64.self).map(\.description)
    default: return Array(repeating: quoted(tensor.type.name), count: tensor.elementCount)
    }
  }

  private static func number(_ text: String, _ isFinite: Bool) -> String { isFinite ? text : quoted(text) }
}
