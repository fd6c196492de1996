/// What is wrong with a JSON text, and where.
struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
  let message: String
  /// Bytes before the fault.
  let offset: Int
  /// Counted from 1; columns are bytes.
  let line: Int
  let column: Int

  init(_ message: String, offset: Int, in bytes: UnsafeBufferPointer<UInt8>) {
    self.message = message
    self.offset = offset
    let before = bytes[..<min(offset, bytes.count)]
    line = 1 + before.count { $0 == UInt8(ascii: "\n") }
    column = 1 + before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count
  }

  var description: String { "\(message) at line \(line), column \(column) of the JSON (byte \(offset))" }
}
