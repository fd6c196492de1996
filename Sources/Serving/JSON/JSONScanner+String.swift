extension JSONScanner {
  /// Consumes a string in quotes.
  /// - Throws: for invalid UTF-8, raw control characters, unknown escapes and lone surrogates.
  mutating func readString() throws(JSONError) -> String {
    if next != UInt8(ascii: "\"") { throw expected("a string") }
    position += 1
    let start = position
    while position < count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let text = try validated(bytes[start..<position], at: start)
        position += 1
        return text
      case UInt8(ascii: "\\"): return try readEscapedString(from: start)
      case ..<0x20: throw error("control character in a string")
      default: position += 1
      }
    }
    throw error("unterminated string", at: start - 1)
  }

  private func validated(_ text: some Collection<UInt8>, at offset: Int) throws(JSONError) -> String {
    guard let string = String(validating: text, as: UTF8.self) else {
      throw error("string is not valid UTF-8", at: offset)
    }
    return string
  }

  private mutating func readEscapedString(from start: Int) throws(JSONError) -> String {
    var text = Array(bytes[start..<position])
    while position < count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return try validated(text, at: start)
      case UInt8(ascii: "\\"): try readEscape(into: &text)
      case ..<0x20: throw error("control character in a string")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw error("unterminated string", at: start - 1)
  }

  private mutating func readEscape(into text: inout [UInt8]) throws(JSONError) {
    let start = position
    position += 1
    let kind = next
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(kind)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: UTF8.encode(try readScalar(from: start))!)
    default: throw error("unknown escape in a string", at: start)
    }
  }

  /// The scalar of `XXXX`, or of `XXXX\uXXXX` when that is a surrogate pair; the cursor is behind `\u`.
  private mutating func readScalar(from start: Int) throws(JSONError) -> Unicode.Scalar {
    let first = try readHex(from: start)
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, consume("\\u") else { throw error("lone surrogate in a string", at: start) }
    let second = try readHex(from: start)
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw error("lone surrogate in a string", at: start) }
    return scalar
  }

  private mutating func readHex(from start: Int) throws(JSONError) -> UInt32 {
    if count - position < 4 { throw error("escape needs four hexadecimal digits", at: start) }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue, bytes[position] < 0x80
      else {
        throw error("escape needs four hexadecimal digits", at: start)
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
