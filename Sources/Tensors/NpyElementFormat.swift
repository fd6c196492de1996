/// How a `.npy` file stores one element: numpy's dtype descriptor such as `<f4`, `|b1` or `<U12`.
struct NpyElementFormat: Equatable {
  enum Kind: Equatable {
    case numeric(ElementType)
    /// UTF-32 code points, padded with zeros.
    case unicode
    /// Bytes, padded with zeros; read as UTF-8.
    case bytes
  }

  var kind: Kind
  var isBigEndian: Bool
  /// Bytes of one element.
  var stride: Int

  init(descriptor: String) throws(TensorError) {
    let unsupported = TensorError.malformedFile("npy dtype '\(descriptor)' is not supported")
    let characters = Array(descriptor.utf8)
    guard characters.count >= 3, let size = Int(String(decoding: characters[2...], as: UTF8.self)) else {
      if descriptor.hasSuffix("O") {
        throw .malformedFile("object arrays (npy dtype '\(descriptor)') are pickles and are never read")
      }
      throw unsupported
    }
    let order = characters[0]
    guard "<>|=".utf8.contains(order), size >= 0 else { throw unsupported }
    isBigEndian = order == UInt8(ascii: ">")
    let code = String(decoding: characters[1..<2], as: UTF8.self)
    switch code {
    case "U":
      let (bytes, overflow) = size.multipliedReportingOverflow(by: 4)
      if overflow { throw unsupported }
      (kind, stride) = (.unicode, bytes)
    case "S": (kind, stride) = (.bytes, size)
    default:
      guard let type = Self.numericTypes["\(code)\(size)"] else { throw unsupported }
      (kind, stride) = (.numeric(type), type.bitWidth / 8)
    }
  }

  /// The descriptor that numpy reads `type` by; nil for types that numpy does not have, and for strings,
  /// whose descriptor depends on the longest one.
  static func descriptor(of type: ElementType) -> String? {
    guard let code = numericTypes.first(where: { $0.value == type })?.key else { return nil }
    return (type.bitWidth == 8 ? "|" : "<") + code
  }

  private static let numericTypes: [String: ElementType] = [
    "b1": .bool, "i1": .int8, "i2": .int16, "i4": .int32, "i8": .int64,
    "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64,
    "f2": .float16, "f4": .float32, "f8": .float64, "c8": .complex64, "c16": .complex128,
  ]
}
