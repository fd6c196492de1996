/// Walks the bytes of a message before they are decoded: refuses what is truncated, nested too deep, or would
/// take far more memory than it has bytes (an empty message is two bytes in a file and hundreds in memory).
///
/// Protobuf wire format: https://protobuf.dev/programming-guides/encoding
struct WireScan {
  /// What one decoded message and one decoded string are reckoned to take.
  private static let messageBytes = 256
  private static let stringBytes = 16

  private let bytes: UnsafeRawBufferPointer
  private let limits: LoadLimits
  private var position = 0
  private var messages = 0
  private var decodedBytes = 0

  /// - Throws: `ONNXFormatError.tooLarge`, `.tooDeep`, `.tooManyMessages`, `.malformed`.
  static func check(
    _ bytes: UnsafeRawBufferPointer, as message: WireMessage, limits: LoadLimits
  ) throws(ONNXFormatError) {
    if bytes.count > limits.fileBytes { throw .tooLarge(bytes: bytes.count, limit: limits.fileBytes) }
    var scan = WireScan(bytes: bytes, limits: limits)
    try scan.walk(message, end: bytes.count, depth: 1)
  }

  private init(bytes: UnsafeRawBufferPointer, limits: LoadLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  private mutating func walk(_ message: WireMessage, end: Int, depth: Int) throws(ONNXFormatError) {
    if depth > limits.depth { throw .tooDeep(limit: limits.depth) }
    try count(Self.messageBytes)
    while position < end {
      let tag = try integer(end: end)
      let number = tag >> 3
      if number == 0 { throw malformed("field number 0") }
      switch tag & 7 {
      case 0:
        _ = try integer(end: end)
        try reserve(8)
      case 1: try skip(8, end: end)
      case 2: try field(message.field(number), end: end, depth: depth)
      case 5: try skip(4, end: end)
      default: throw malformed("wire type \(tag & 7)")
      }
    }
  }

  private mutating func field(
    _ field: WireMessage.Field, end: Int, depth: Int
  ) throws(ONNXFormatError) {
    let length = try integer(end: end)
    if length > UInt64(end - position) {
      throw malformed("a field claims \(length) bytes where \(end - position) are left")
    }
    let fieldEnd = position + Int(length)
    switch field {
    case .message(let message):
      try walk(message, end: fieldEnd, depth: depth + 1)
    case .bytes:
      try count(Self.stringBytes)
      try skip(Int(length), end: end)
    case .packedIntegers(let width):
      let ends = bytes[position..<fieldEnd].count { $0 < 0x80 }
      try reserve(ends * width)
      position = fieldEnd
    }
  }

  private mutating func skip(_ length: Int, end: Int) throws(ONNXFormatError) {
    if length > end - position { throw malformed("truncated") }
    position += length
    try reserve(length)
  }

  private mutating func integer(end: Int) throws(ONNXFormatError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      if position >= end { throw malformed("truncated") }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw malformed("an integer of more than ten bytes")
  }

  private mutating func count(_ size: Int) throws(ONNXFormatError) {
    messages += 1
    if messages > limits.messages { throw .tooManyMessages(limit: limits.messages) }
    try reserve(size)
  }

  private mutating func reserve(_ size: Int) throws(ONNXFormatError) {
    // Sizes are bounded by eight times the file's, so the sum cannot overflow.
    decodedBytes += size
    if decodedBytes > limits.decodedBytes {
      throw .tooLarge(bytes: decodedBytes, limit: limits.decodedBytes)
    }
  }

  private func malformed(_ reason: String) -> ONNXFormatError {
    .malformed("\(reason) at byte \(position)")
  }
}
