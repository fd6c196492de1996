import Glibc

/// Finds the end of an HTTP/1.1 request head in bytes that arrive in pieces, each byte looked at once.
///
/// Line ends are CR LF only: a lone LF, which some parsers take for a line end and others do not, is refused.
struct HeadScanner {
  private let limits: HeadLimits
  private var position = 0
  private var lineStart = 0
  private var lines = 0
  private var fieldsStart = 0
  /// One empty line before the request line is skipped (RFC 9112 section 2.2).
  private(set) var headStart = 0

  init(limits: HeadLimits) { self.limits = limits }

  /// Looks at what was not seen yet. `bytes` must begin at the same place each time. Returns the length up to and
  /// including the empty line at the head's end, nil as long as that is missing.
  mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) -> Int? {
    while let lineFeed = Self.firstLineFeed(in: bytes, from: position) {
      guard lineFeed > lineStart, bytes[lineFeed - 1] == 0x0D else {
        throw .malformed("a line ends without CR LF")
      }
      position = lineFeed + 1
      if lineFeed - 1 == lineStart {
        if lines > 0 { return position }
        guard headStart == 0 else { throw .malformed("empty lines before the request") }
        headStart = position
        lineStart = position
        continue
      }
      try endLine(at: position)
    }
    position = bytes.count
    try checkLengths(upTo: position)
    return nil
  }

  private mutating func endLine(at end: Int) throws(RequestFailure) {
    try checkLengths(upTo: end)
    lines += 1
    if lines == 1 { fieldsStart = end }
    lineStart = end
    guard lines - 1 <= limits.headerCount else {
      throw RequestFailure(status: 431, reason: "more than \(limits.headerCount) header fields")
    }
  }

  private func checkLengths(upTo end: Int) throws(RequestFailure) {
    if lines == 0 {
      guard end - headStart <= limits.requestLineBytes else {
        throw RequestFailure(
          status: 414, reason: "the request line is longer than \(limits.requestLineBytes) bytes")
      }
    } else {
      guard end - fieldsStart <= limits.headerBytes else {
        throw RequestFailure(
          status: 431, reason: "the header fields are larger than \(limits.headerBytes) bytes")
      }
    }
  }

  private static func firstLineFeed(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    guard start < bytes.count, let base = bytes.baseAddress,
      let found = memchr(base + start, 0x0A, bytes.count - start)
    else { return nil }
    return UnsafeRawPointer(found) - base
  }
}
