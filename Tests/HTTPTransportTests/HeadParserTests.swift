import Testing

@testable import HTTPTransport

private let limits = HeadLimits(requestLineBytes: 200, headerBytes: 400, headerCount: 8)

/// Scans and parses as a connection does, `step` bytes at a time.
private func parse(_ text: String, step: Int = Int.max) throws -> HTTP1Request? {
  let bytes = Array(text.utf8)
  var scanner = HeadScanner(limits: limits)
  var shown = 0
  while shown < bytes.count {
    shown = step >= bytes.count - shown ? bytes.count : shown + step
    let request = try bytes[..<shown].withUnsafeBytes { part -> HTTP1Request? in
      guard let length = try scanner.scan(part) else { return nil }
      return try HeadParser.parse(UnsafeRawBufferPointer(rebasing: part[scanner.headStart..<length]))
    }
    if let request { return request }
  }
  return nil
}

private func status(_ text: String, step: Int = Int.max) -> Int? {
  do {
    return try parse(text, step: step) == nil ? nil : 0
  } catch {
    return (error as? RequestFailure)?.status
  }
}

struct HeadParserTests {
  @Test(arguments: [1, 2, 7, Int.max]) func requestWithEveryPart(step: Int) throws {
    let text =
      "POST /v2/models/a%20b/infer?x=1&y=%3D HTTP/1.1\r\nHost: Example:8080\r\nX-Empty:\r\n"
      + "Content-Length: 12\r\nACCEPT:  text/html , */* \t\r\nAccept: b\r\nExpect: 100-Continue\r\n\r\n"
    let request = try #require(try parse(text, step: step))
    #expect(request.head.method == "POST")
    #expect(request.head.path == "/v2/models/a%20b/infer")
    #expect(request.head.query == "x=1&y=%3D")
    #expect(request.head.version == .http11)
    #expect(request.head.authority == "Example:8080")
    #expect(request.head.contentLength == 12)
    #expect(request.framing == .length(12))
    #expect(request.head.headers.all("accept") == ["text/html , */*", "b"])
    #expect(request.head.headers["x-empty"] == "")
    #expect(request.keepsAlive)
    #expect(request.expectsContinue)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true), ("GET / HTTP/1.0\r\n\r\n", false),
    ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", false),
  ])
  func keepAlive(text: String, expected: Bool) throws {
    #expect(try #require(try parse(text)).keepsAlive == expected)
  }

  @Test(arguments: [
    ("GET http://h:1/a?b HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "b", "h:1"),
    ("GET http://h HTTP/1.1\r\nHost: x\r\n\r\n", "/", nil, "h"),
    ("GET http://h?q HTTP/1.1\r\nHost: x\r\n\r\n", "/", "q", "h"),
    ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*", nil, "x"),
    ("\r\nGET /? HTTP/1.1\r\nHost: x\r\n\r\n", "/", "", "x"),
  ])
  func targets(text: String, path: String, query: String?, authority: String) throws {
    let head = try #require(try parse(text)).head
    #expect(head.path == path)
    #expect(head.query == query)
    #expect(head.authority == authority)
  }

  @Test func framing() throws {
    let host = "POST / HTTP/1.1\r\nHost: a\r\n"
    #expect(try parse(host + "\r\n")?.framing == HTTP1Request.Framing.none)
    #expect(try parse(host + "\r\n")?.head.contentLength == 0)
    #expect(try parse(host + "Content-Length: 0\r\n\r\n")?.framing == .length(0))
    #expect(try parse(host + "Transfer-Encoding: Chunked\r\n\r\n")?.framing == .chunked)
    #expect(try parse(host + "Transfer-Encoding: chunked\r\n\r\n")?.head.contentLength == nil)
  }

  @Test func upgrade() throws {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    #expect(try parse(head + "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")?.http2Settings?.count == 12)
    #expect(try parse(head + "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")?.http2Settings?.last == 255)
    // Not offered properly: the request stays HTTP/1.1.
    #expect(try #require(try parse(head + "\r\n")).http2Settings == nil)
    #expect(try #require(try parse(head + "HTTP2-Settings: a*b\r\n\r\n")).http2Settings == nil)
    #expect(try #require(try parse(head + "HTTP2-Settings: AAMA\r\n\r\n")).http2Settings == nil)
    let body = head + "Content-Length: 3\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    #expect(try #require(try parse(body)).http2Settings == nil)
  }

  static let hostile: [(String, Int)] = [
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{7F} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /ü HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n\tfolded: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7F}\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{0B}chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
    ("GET /" + String(repeating: "a", count: 200) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 400) + "\r\n\r\n", 431),
    ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: a\r\n", count: 8) + "\r\n", 431),
  ]

  @Test(arguments: hostile) func refused(text: String, expected: Int) {
    #expect(status(text) == expected)
    #expect(status(text, step: 1) == expected)
  }

  @Test func limitsAreInclusive() {
    let line = "GET /" + String(repeating: "a", count: 200 - 16) + " HTTP/1.1\r\n"
    #expect(line.utf8.count == 200)
    #expect(status(line + "Host: a\r\n\r\n") == 0)
    let fields = "Host: a\r\n" + String(repeating: "X: a\r\n", count: 7)
    #expect(status("GET / HTTP/1.1\r\n" + fields + "\r\n") == 0)
  }

  @Test func endlessLinesAreRefusedBeforeTheirEnd() {
    #expect(status("GET /" + String(repeating: "a", count: 400)) == 414)
    #expect(status("GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 500)) == 431)
  }

  @Test func whatFollowsIsNotTouched() throws {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next".utf8)
    var scanner = HeadScanner(limits: limits)
    #expect(try bytes.withUnsafeBytes { try scanner.scan($0) } == bytes.count - "GET /next".utf8.count)
  }
}
