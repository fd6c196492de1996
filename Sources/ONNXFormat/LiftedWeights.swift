/// The elements of large initializers, taken out of a model's bytes before these are decoded, so that a message never
/// holds a second copy of them.
package struct LiftedWeights {
  /// Smaller tensors stay in their messages.
  static let minimumBytes = 1 << 14

  /// Where the elements lie in the file, by the initializer's place among those of the main graph.
  package private(set) var ranges: [Int: Range<Int>] = [:]
  /// The model without them.
  private(set) var rest: [UInt8] = []
  private var initializers = 0
  private let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: a model that `WireScan` has walked through.
  /// - Throws: `ONNXFormatError.malformed`.
  init(_ bytes: UnsafeRawBufferPointer) throws(ONNXFormatError) {
    self.bytes = bytes
    rest = try graphs(0..<bytes.count)
  }

  /// A model's fields: those of its graph with their elements taken out.
  private mutating func graphs(_ range: Range<Int>) throws(ONNXFormatError) -> [UInt8] {
    var result: [UInt8] = []
    var reader = WireReader(bytes, range)
    while let field = try reader.next() {
      if field.number == 7, let content = field.content {
        Self.append(7, try initializers(content), to: &result)
      } else {
        result += bytes[field.range]
      }
    }
    return result
  }

  /// A graph's fields.
  private mutating func initializers(_ range: Range<Int>) throws(ONNXFormatError) -> [UInt8] {
    var result: [UInt8] = []
    var reader = WireReader(bytes, range)
    while let field = try reader.next() {
      guard field.number == 5, let content = field.content else {
        result += bytes[field.range]
        continue
      }
      if content.count >= Self.minimumBytes, let message = try tensor(content) {
        Self.append(5, message, to: &result)
      } else {
        result += bytes[field.range]
      }
      initializers += 1
    }
    return result
  }

  /// A tensor's fields without `raw_data`; nil when that is small, missing, or there more than once.
  private mutating func tensor(_ range: Range<Int>) throws(ONNXFormatError) -> [UInt8]? {
    var result: [UInt8] = []
    var elements: Range<Int>?
    var reader = WireReader(bytes, range)
    while let field = try reader.next() {
      if field.number == 9, let content = field.content {
        if elements != nil { return nil }
        elements = content
      } else if field.range.count >= Self.minimumBytes {
        return nil
      } else {
        result += bytes[field.range]
      }
    }
    guard let elements, elements.count >= Self.minimumBytes else { return nil }
    ranges[initializers] = elements
    return result
  }

  private static func append(_ number: Int, _ content: [UInt8], to result: inout [UInt8]) {
    result.append(UInt8(number << 3 | 2))
    var length = content.count
    while length > 0x7F {
      result.append(UInt8(length & 0x7F | 0x80))
      length >>= 7
    }
    result.append(UInt8(length))
    result += content
  }
}

/// The fields of one message, one after the other.
private struct WireReader {
  struct Field {
    let number: UInt64
    /// With its tag.
    let range: Range<Int>
    /// Of a field that has a length.
    let content: Range<Int>?
  }

  private let bytes: UnsafeRawBufferPointer
  private var position: Int
  private let end: Int

  init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
    self.bytes = bytes
    position = range.lowerBound
    end = range.upperBound
  }

  mutating func next() throws(ONNXFormatError) -> Field? {
    if position == end { return nil }
    let start = position
    let tag = try integer()
    var content: Range<Int>?
    switch tag & 7 {
    case 0: _ = try integer()
    case 1: try skip(8)
    case 2:
      let length = try integer()
      if length > UInt64(end - position) { throw malformed }
      content = position..<(position + Int(length))
      position += Int(length)
    case 5: try skip(4)
    default: throw malformed
    }
    return Field(number: tag >> 3, range: start..<position, content: content)
  }

  private var malformed: ONNXFormatError { .malformed("a broken field at byte \(position)") }

  private mutating func skip(_ length: Int) throws(ONNXFormatError) {
    if length > end - position { throw malformed }
    position += length
  }

  private mutating func integer() throws(ONNXFormatError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      if position >= end { throw malformed }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw malformed
  }
}
