/// A cursor over JSON text (RFC 8259, plus the number tokens NaN, Infinity and -Infinity).
///
/// The bytes stay valid for as long as the scanner is used: it is only made inside `withScanner`. Every read
/// is behind a comparison of `position` with `count`.
struct JSONScanner {
  let bytes: UnsafeBufferPointer<UInt8>
  var position = 0
  private(set) var depth = 0
  let maximumDepth: Int

  private init(_ bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  /// Calls `body` with a scanner at the start of `text`.
  static func withScanner<R>(
    _ text: some Collection<UInt8>, maximumDepth: Int, _ body: (inout JSONScanner) throws -> R
  ) throws -> R {
    func scan(_ bytes: UnsafeBufferPointer<UInt8>) throws -> R {
      var scanner = JSONScanner(bytes, maximumDepth: maximumDepth)
      return try body(&scanner)
    }
    return try text.withContiguousStorageIfAvailable(scan) ?? Array(text).withUnsafeBufferPointer(scan)
  }

  var count: Int { bytes.count }

  /// The next byte, or 0 (which no JSON text contains outside strings) at the end.
  @inline(__always) var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

  @inline(__always) mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  func error(_ message: String, at offset: Int? = nil) -> JSONError {
    JSONError(message, offset: offset ?? position, in: bytes)
  }

  /// "expected X, found Y" for the byte at the cursor.
  func expected(_ what: String) -> JSONError {
    if position >= count { return error("expected \(what), found the end") }
    let byte = bytes[position]
    let found = (0x21...0x7E).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
    return error("expected \(what), found \(found)")
  }

  /// Throws unless only white space is left.
  mutating func finish() throws(JSONError) {
    skipSpace()
    if position != count { throw expected("the end") }
  }

  // MARK: Containers

  /// Consumes `{` or `[`.
  mutating func open(_ bracket: UInt8) throws(JSONError) {
    skipSpace()
    if next != bracket { throw expected(bracket == UInt8(ascii: "{") ? "an object" : "an array") }
    if depth == maximumDepth { throw error("nested deeper than \(maximumDepth) levels") }
    depth += 1
    position += 1
  }

  /// The next member's name, the cursor behind its colon; nil when the object ends here.
  mutating func nextMember(isFirst: inout Bool) throws(JSONError) -> String? {
    skipSpace()
    if next == UInt8(ascii: "}") {
      close()
      return nil
    }
    if !isFirst {
      if next != UInt8(ascii: ",") { throw expected("',' or '}'") }
      position += 1
      skipSpace()
    }
    isFirst = false
    if next != UInt8(ascii: "\"") { throw expected("a member name in quotes") }
    let name = try readString()
    skipSpace()
    if next != UInt8(ascii: ":") { throw expected("':'") }
    position += 1
    skipSpace()
    return name
  }

  /// True with the cursor at the next element; false when the array ends here.
  mutating func nextElement(isFirst: inout Bool) throws(JSONError) -> Bool {
    skipSpace()
    if next == UInt8(ascii: "]") {
      close()
      return false
    }
    if !isFirst {
      if next != UInt8(ascii: ",") { throw expected("',' or ']'") }
      position += 1
      skipSpace()
    }
    isFirst = false
    return true
  }

  private mutating func close() {
    depth -= 1
    position += 1
  }

  // MARK: Literals

  mutating func readBool() throws(JSONError) -> Bool {
    if consume("true") { return true }
    if consume("false") { return false }
    throw expected("true or false")
  }

  /// Consumes `word` when it stands at the cursor.
  mutating func consume(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    if length > count - position { return false }
    for offset in 0..<length where bytes[position + offset] != word.utf8Start[offset] { return false }
    position += length
    return true
  }

  /// Consumes one value of any kind, checking its syntax.
  mutating func skipValue() throws(JSONError) {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"):
      try open(UInt8(ascii: "{"))
      var isFirst = true
      while try nextMember(isFirst: &isFirst) != nil { try skipValue() }
    case UInt8(ascii: "["):
      try open(UInt8(ascii: "["))
      var isFirst = true
      while try nextElement(isFirst: &isFirst) { try skipValue() }
    case UInt8(ascii: "\""): _ = try readString()
    case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try readBool()
    case UInt8(ascii: "n"): if !consume("null") { throw expected("a value") }
    default: _ = try scanNumber()
    }
  }
}
