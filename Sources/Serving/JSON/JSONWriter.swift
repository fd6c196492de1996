/// Builds JSON text without white space.
struct JSONWriter {
  var bytes: [UInt8] = []

  mutating func literal(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): literal("\\\"")
      case UInt8(ascii: "\\"): literal("\\\\")
      case 0x0A: literal("\\n")
      case 0x0D: literal("\\r")
      case 0x09: literal("\\t")
      case ..<0x20:
        literal("\\u00")
        bytes.append(UInt8(ascii: "0") + byte >> 4)
        bytes.append(hexDigit(byte & 15))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  mutating func integer(_ value: some BinaryInteger) { ascii(value.description) }

  /// The shortest text that reads back as `value`; NaN, Infinity and -Infinity as bare tokens.
  mutating func number(_ value: some BinaryFloatingPoint & CustomStringConvertible) {
    if value.isFinite {
      ascii(value.description)
    } else if value.isNaN {
      literal("NaN")
    } else {
      ascii(value < 0 ? "-Infinity" : "Infinity")
    }
  }

  private mutating func ascii(_ text: String) { bytes.append(contentsOf: text.utf8) }

  mutating func bool(_ value: Bool) { value ? literal("true") : literal("false") }

  mutating func value(_ value: JSONValue) {
    switch value {
    case .null: literal("null")
    case .bool(let value): bool(value)
    case .int(let value): integer(value)
    case .double(let value): number(value)
    case .string(let value): string(value)
    case .text(let value): bytes.append(contentsOf: value)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        self.value(element)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        string(member.name)
        bytes.append(UInt8(ascii: ":"))
        self.value(member.value)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }
}

extension JSONValue {
  /// The JSON text of this value.
  var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }
}
