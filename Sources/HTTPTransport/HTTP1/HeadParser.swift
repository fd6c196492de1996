/// Parses a complete HTTP/1.1 request head (RFC 9112). Whatever two implementations could understand differently
/// is refused: that is what request smuggling lives on.
enum HeadParser {
  /// `bytes` is what `HeadScanner` found, from the request line to the empty line.
  static func parse(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) -> HTTP1Request {
    var lines = LineReader(bytes)
    let line = try RequestLine.parse(lines.next())
    var headers = HTTPHeaders()
    headers.reserve(fields: 16, bytes: bytes.count)
    while true {
      let field = lines.next()
      if field.isEmpty { break }
      try parseField(field, into: &headers)
    }
    return try interpret(line, headers)
  }

  /// `name: value`. A line that starts with a space would continue the one before it (obs-fold): refused.
  static func parseField(
    _ line: UnsafeRawBufferPointer, into headers: inout HTTPHeaders
  ) throws(RequestFailure) {
    guard !CharacterClass.isSpace(line[0]) else { throw .malformed("a header field is folded") }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
      throw .malformed("a header line has no colon")
    }
    let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
    guard !name.isEmpty, name.allSatisfy(CharacterClass.isToken) else {
      throw .malformed("a header name has characters that are not allowed")
    }
    let value = UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]).trimmed
    guard value.allSatisfy(CharacterClass.isFieldValue) else {
      throw .malformed("a header value has control characters")
    }
    headers.add(name: name, value: value)
  }

  private static func interpret(
    _ line: RequestLine, _ headers: HTTPHeaders
  ) throws(RequestFailure) -> HTTP1Request {
    let isHTTP11 = line.version == .http11
    let hosts = headers.count(of: "host")
    guard hosts == 1 || hosts == 0 && !isHTTP11 else {
      throw .malformed("a request needs exactly one host field")
    }
    let framing = try framing(headers, isHTTP11: isHTTP11)
    let connection = tokens(headers.all("connection"))
    let expectation = headers["expect"]
    if let expectation, expectation.lowercased() != "100-continue" {
      throw RequestFailure(status: 417, reason: "only 100-continue can be expected")
    }
    let contentLength: Int? =
      switch framing {
      case .none: 0
      case .length(let length): length
      case .chunked: nil
      }
    let head = RequestHead(
      method: line.method, path: line.path, query: line.query, headers: headers, version: line.version,
      contentLength: contentLength, authority: line.authority ?? headers["host"])
    return HTTP1Request(
      head: head, framing: framing,
      keepsAlive: isHTTP11 ? !connection.contains("close") : connection.contains("keep-alive"),
      expectsContinue: expectation != nil && isHTTP11 && framing != .none && framing != .length(0),
      http2Settings: isHTTP11 && contentLength == 0 ? http2Settings(headers, connection) : nil)
  }

  private static func framing(
    _ headers: HTTPHeaders, isHTTP11: Bool
  ) throws(RequestFailure) -> HTTP1Request.Framing {
    let lengths = headers.all("content-length")
    let codings = headers.all("transfer-encoding")
    if !codings.isEmpty {
      guard lengths.isEmpty else { throw .malformed("both content-length and transfer-encoding") }
      guard isHTTP11 else { throw .malformed("transfer-encoding in an HTTP/1.0 request") }
      guard codings.count == 1, codings[0].lowercased() == "chunked" else {
        throw RequestFailure(status: 501, reason: "the only transfer coding is chunked")
      }
      return .chunked
    }
    guard let text = lengths.first else { return .none }
    guard lengths.count == 1 else { throw .malformed("content-length is given twice") }
    guard !text.isEmpty, text.utf8.allSatisfy(CharacterClass.isDigit), let length = Int(text) else {
      throw .malformed("content-length is not a number")
    }
    return .length(length)
  }

  /// RFC 7540 section 3.2: one settings field, and both names in `Connection`.
  private static func http2Settings(_ headers: HTTPHeaders, _ connection: [String]) -> [UInt8]? {
    guard connection.contains("upgrade"), connection.contains("http2-settings"),
      tokens(headers.all("upgrade")).contains("h2c"), headers.count(of: "http2-settings") == 1,
      let payload = headers["http2-settings"].flatMap(Base64URL.decode), payload.count % 6 == 0
    else { return nil }
    return payload
  }

  /// The members of comma-separated lists, in lower case.
  private static func tokens(_ values: [String]) -> [String] {
    if values.isEmpty { return [] }
    return values.flatMap { $0.split(separator: ",") }.map { item in
      item.filter { $0 != " " && $0 != "\t" }.lowercased()
    }
  }
}

/// Splits a head whose line ends were checked.
struct LineReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next line without its CR LF; empty at the end.
  mutating func next() -> UnsafeRawBufferPointer {
    guard position < bytes.count else { return UnsafeRawBufferPointer(rebasing: bytes[..<0]) }
    let rest = bytes[position...]
    let lineFeed = rest.firstIndex(of: 0x0A) ?? bytes.count
    let line = UnsafeRawBufferPointer(rebasing: bytes[position..<max(position, lineFeed - 1)])
    position = lineFeed + 1
    return line
  }
}
