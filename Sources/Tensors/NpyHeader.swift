/// The header of a `.npy` file: NEP 1, format versions 1.0, 2.0 and 3.0.
struct NpyHeader: Equatable {
  /// How the elements are stored.
  var format: NpyElementFormat
  var isFortranOrder: Bool
  var shape: Shape
  /// Bytes before the first element.
  var byteCount: Int

  private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]  // \x93NUMPY
  /// numpy itself refuses headers over 10,000 bytes unless told otherwise.
  private static let longestText = 10_000

  init(parsing bytes: UnsafeRawBufferPointer) throws(TensorError) {
    guard bytes.count >= 10, Self.magic.indices.allSatisfy({ bytes[$0] == Self.magic[$0] }) else {
      throw .malformedFile("not an .npy file: it does not start with \\x93NUMPY")
    }
    let (major, minor) = (bytes[6], bytes[7])
    guard (1...3).contains(major), minor == 0 else {
      throw .malformedFile("npy format version \(major).\(minor) is not one of 1.0, 2.0, 3.0")
    }
    let lengthBytes = major == 1 ? 2 : 4
    let textStart = 8 + lengthBytes
    guard bytes.count >= textStart else { throw .malformedFile("npy header is cut off") }
    var length = 0
    for index in (0..<lengthBytes).reversed() { length = length << 8 | Int(bytes[8 + index]) }
    if length > Self.longestText {
      throw .malformedFile("npy header of \(length) bytes; at most \(Self.longestText) are read")
    }
    guard bytes.count >= textStart + length else { throw .malformedFile("npy header is cut off") }
    var parser = NpyHeaderParser(text: Array(bytes[textStart..<textStart + length]))
    let fields = try parser.parse()
    format = try NpyElementFormat(descriptor: fields.descriptor)
    isFortranOrder = fields.isFortranOrder
    shape = Shape(fields.shape)
    byteCount = textStart + length
    if shape.checkedElementCount == nil { throw .invalidShape(shape) }
  }

  /// Bytes of a version 1.0 header, padded so that the elements start at a multiple of 64.
  static func encoded(descriptor: String, shape: Shape) -> [UInt8] {
    let extents = shape.dimensions.map(String.init).joined(separator: ", ")
    let tuple = shape.rank == 1 ? "(\(extents),)" : "(\(extents))"
    var text = Array("{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(tuple), }".utf8)
    while (magic.count + 4 + text.count + 1) % 64 != 0 { text.append(UInt8(ascii: " ")) }
    text.append(UInt8(ascii: "\n"))
    return magic + [1, 0, UInt8(text.count & 0xFF), UInt8(text.count >> 8)] + text
  }
}

/// Reads the one dictionary literal that numpy writes: the keys `descr`, `fortran_order` and `shape`, each
/// once, in any order. Nothing else of Python is understood.
struct NpyHeaderParser {
  struct Fields {
    var descriptor: String
    var isFortranOrder: Bool
    var shape: [Int]
  }

  private let text: [UInt8]
  private var position = 0

  init(text: [UInt8]) { self.text = text }

  mutating func parse() throws(TensorError) -> Fields {
    var descriptor: String?
    var isFortranOrder: Bool?
    var shape: [Int]?
    try expect("{")
    while !accept("}") {
      let key = try parseString()
      try expect(":")
      switch key {
      case "descr" where descriptor == nil: descriptor = try parseDescriptor()
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = try parseBoolean()
      case "shape" where shape == nil: shape = try parseTuple()
      default: throw malformed("unexpected key '\(key)'")
      }
      if accept(",") { continue }
      try expect("}")
      break
    }
    skipSpace()
    if position != text.count { throw malformed("text after the dictionary") }
    guard let descriptor, let isFortranOrder, let shape else {
      throw malformed("'descr', 'fortran_order' and 'shape' must all be there")
    }
    return Fields(descriptor: descriptor, isFortranOrder: isFortranOrder, shape: shape)
  }

  private mutating func parseDescriptor() throws(TensorError) -> String {
    skipSpace()
    if position < text.count, text[position] == UInt8(ascii: "[") {
      throw .malformedFile("structured arrays (a list of fields as dtype) are not supported")
    }
    return try parseString()
  }

  private mutating func parseString() throws(TensorError) -> String {
    skipSpace()
    guard position < text.count, text[position] == UInt8(ascii: "'") || text[position] == UInt8(ascii: "\"")
    else { throw malformed("a string is expected") }
    let quote = text[position]
    let start = position + 1
    var end = start
    while end < text.count, text[end] != quote {
      if text[end] == UInt8(ascii: "\\") { throw malformed("escapes are not understood") }
      end += 1
    }
    guard end < text.count, let string = String(validating: text[start..<end], as: UTF8.self) else {
      throw malformed("a string does not end")
    }
    position = end + 1
    return string
  }

  private mutating func parseBoolean() throws(TensorError) -> Bool {
    if accept("True") { return true }
    if accept("False") { return false }
    throw malformed("'fortran_order' must be True or False")
  }

  private mutating func parseTuple() throws(TensorError) -> [Int] {
    var extents: [Int] = []
    try expect("(")
    while !accept(")") {
      extents.append(try parseInteger())
      if accept(",") { continue }
      // `(3)` is a number in Python, not a tuple.
      if extents.count == 1 { throw malformed("'shape' must be a tuple") }
      try expect(")")
      break
    }
    return extents
  }

  private mutating func parseInteger() throws(TensorError) -> Int {
    skipSpace()
    let start = position
    while position < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[position]) {
      position += 1
    }
    // Python 2 wrote long integers as `3L`.
    guard let value = Int(String(decoding: text[start..<position], as: UTF8.self)) else {
      throw malformed("'shape' must hold extents from 0 to \(Int.max)")
    }
    _ = accept("L")
    return value
  }

  private mutating func expect(_ token: String) throws(TensorError) {
    if !accept(token) { throw malformed("'\(token)' is expected at byte \(position)") }
  }

  private mutating func accept(_ token: String) -> Bool {
    skipSpace()
    guard text[position...].starts(with: token.utf8) else { return false }
    position += token.utf8.count
    return true
  }

  private mutating func skipSpace() {
    while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
  }

  private func malformed(_ reason: String) -> TensorError {
    .malformedFile("malformed npy header: \(reason)")
  }
}
