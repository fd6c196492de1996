import Glibc
import Testing

@testable import HTTPTransport

struct ProtocolSnifferTests {
  @Test func byteByByte() {
    var sniffer = ProtocolSniffer()
    for byte in ProtocolSniffer.preface.dropLast() {
      #expect([byte].withUnsafeBytes { sniffer.look(at: $0) } == .undecided)
    }
    #expect(ProtocolSniffer.preface.suffix(1).withUnsafeBytes { sniffer.look(at: $0) } == .http2)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1", ProtocolSniffer.Verdict.http1), ("PRI * HTTP/1.1", .http1), ("PUT", .http1),
    ("P", .undecided),
    ("\u{16}\u{03}\u{01}", .tls), ("", .undecided), ("\r\n", .http1),
  ])
  func decides(text: String, expected: ProtocolSniffer.Verdict) {
    var sniffer = ProtocolSniffer()
    #expect(Array(text.utf8).withUnsafeBytes { sniffer.look(at: $0) } == expected)
  }
}

struct HTTPHeadersTests {
  @Test func namesAreLowerCaseAndOrdered() {
    var headers = HTTPHeaders([("Content-Type", "a"), ("X", "1")])
    headers.add("x", "2")
    #expect(headers["content-type"] == "a")
    #expect(headers["x"] == "1")
    #expect(headers.all("x") == ["1", "2"])
    #expect(headers["y"] == nil)
    #expect(headers.entries.map(\.name) == ["content-type", "x", "x"])
    headers.remove("x")
    #expect(headers == ["content-type": "a"])
  }

  @Test func responsesCannotBeSplit() {
    let headers: HTTPHeaders = [
      "x": "a\r\nset-cookie: b", "bad name": "c", "connection": "close", "transfer-encoding": "chunked",
      "content-length": "3", "date": "now",
    ]
    var seen: [String] = []
    ResponseFields.forEach(headers, keepsLength: false) { name, value in
      var text: [UInt8] = []
      ResponseFields.append(value, to: &text)
      seen.append(String(decoding: name, as: UTF8.self) + "=" + String(decoding: text, as: UTF8.self))
    }
    #expect(seen == ["x=a  set-cookie: b"])
  }
}

struct AcceptEncodingTests {
  @Test(arguments: [
    ("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("gzip; q=0.000, *", false),
    ("*", true),
    ("*;q=0", false), ("br", false), ("", false), ("x-gzip", true), ("gzip;q=0.001", true),
  ])
  func gzip(value: String, expected: Bool) { #expect(AcceptEncoding.allowsGzip([value]) == expected) }

  @Test func withoutTheHeader() { #expect(!AcceptEncoding.allowsGzip([])) }
}

struct Base64URLTests {
  @Test(
    arguments: [
      ("", []), ("TQ", [77]), ("TWE", [77, 97]), ("TWFu", [77, 97, 110]), ("-_8", [251, 255]),
    ] as [(String, [UInt8])])
  func decodes(text: String, expected: [UInt8]) { #expect(Base64URL.decode(text) == expected) }

  @Test(arguments: ["a", "TQ==", "+/8", "ü"]) func refuses(text: String) {
    #expect(Base64URL.decode(text) == nil)
  }
}

struct DateHeaderTests {
  @Test func format() {
    var seconds = 784_111_777
    var parts = tm()
    gmtime_r(&seconds, &parts)
    #expect(String(decoding: DateHeader.format(parts), as: UTF8.self) == "Sun, 06 Nov 1994 08:49:37 GMT")
  }
}

struct TransportConfigurationTests {
  @Test func defaultsAreValid() { #expect(throws: Never.self) { try TransportConfiguration().validate() } }

  @Test func aBadNumberIsNamed() {
    var configuration = TransportConfiguration()
    configuration.port = 70000
    #expect(throws: TransportError.configuration("port is 70000, must be 0 to 65535")) {
      try configuration.validate()
    }
    configuration = TransportConfiguration()
    configuration.headerSeconds = .nan
    #expect(throws: TransportError.self) { try configuration.validate() }
  }

  @Test func aPortInUseAndAWrongHostAreErrors() throws {
    let server = try TestServer()
    defer { server.stop() }
    #expect(throws: TransportError.self) { try TestServer { $0.port = server.port } }
    #expect(throws: TransportError.self) { try TestServer { $0.host = "no.such.host.invalid" } }
  }
}
