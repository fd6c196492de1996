import Dispatch
import Testing

@testable import HTTPTransport

struct HTTP2ConnectionTests {
  @Test func thePrefaceOneByteAtATime() throws {
    let server = try TestServer()
    defer { server.stop() }
    let raw = try server.connect()
    for byte in ProtocolSniffer.preface + [0, 0, 0, 4, 0, 0, 0, 0, 0] { try raw.send([byte]) }
    #expect(try raw.take(9)[3] == FrameClient.Kind.settings)
  }

  @Test func settingsAnnounceTheLimits() throws {
    let server = try TestServer {
      $0.concurrentStreams = 7; $0.headerBytes = 5000
    }
    defer { server.stop() }
    let client = try FrameClient(server)
    let payload = try client.next(FrameClient.Kind.settings).payload
    var settings: [Int: Int] = [:]
    for start in stride(from: 0, to: payload.count, by: 6) {
      settings[Int(payload[start]) << 8 | Int(payload[start + 1])] =
        payload[(start + 2)..<(start + 6)].reduce(0) { $0 << 8 | Int($1) }
    }
    #expect(settings[3] == 7)
    #expect(settings[4] == 1 << 20)
    #expect(settings[6] == 5000)
  }

  @Test func headAndEmptyResponsesEndWithTheirHeaders() throws {
    let server = try TestServer(TestHandler(["/none": { $0.respond(Response(status: 204)) }]))
    defer { server.stop() }
    let client = try FrameClient(server)
    try client.request("HEAD", "/hello", stream: 1)
    #expect(try client.next(FrameClient.Kind.headers, stream: 1).endsStream)
    try client.request("GET", "/none", stream: 3)
    #expect(try client.next(FrameClient.Kind.headers, stream: 3).endsStream)
  }

  @Test func trailersFollowAStreamedResponse() throws {
    let server = try TestServer(
      TestHandler([
        "/sum": { exchange in
          let stream = exchange.stream(ResponseHead(status: 200))
          stream.write([1, 2, 3])
          stream.finish(trailers: ["grpc-status": "0"])
        }
      ]))
    defer { server.stop() }
    let client = try FrameClient(server)
    try client.request("GET", "/sum", stream: 1)
    #expect(try !client.next(FrameClient.Kind.headers, stream: 1).endsStream)
    let data = try client.next(FrameClient.Kind.data, stream: 1)
    #expect(data.payload == [1, 2, 3] && !data.endsStream)
    #expect(try client.next(FrameClient.Kind.headers, stream: 1).endsStream)
  }

  @Test func headerLimits() throws {
    let server = try TestServer {
      $0.headerBytes = 2000; $0.headerCount = 10; $0.requestLineBytes = 100
    }
    defer { server.stop() }
    let long = String(repeating: "a", count: 1000)
    let cases: [(String, [(String, String)], String)] = [
      ("/hello", [("x", long), ("y", long), ("z", long)], "431"),
      ("/hello", (0..<11).map { ("x\($0)", "a") }, "431"),
      ("/" + String(repeating: "a", count: 100), [], "414"),
      ("/a#b", [], "400"),
      ("/hello", [("host", "other")], "400"),
      ("/hello", [("expect", "magic")], "417"),
    ]
    for (path, extra, status) in cases {
      // A fresh connection: its compression table is empty, so the status is sent in full, but for 400, which
      // has entry 12 of the static table.
      let client = try FrameClient(server)
      try client.request("GET", path, stream: 1, extra: extra)
      let payload = try client.next(FrameClient.Kind.headers, stream: 1).payload
      let expected = status == "400" ? [0x8C] : Array(status.utf8)
      #expect(payload.prefix(8).ranges(of: expected).count == 1, "\(status) \(payload)")
    }
    #expect(server.server.statistics.requestsRefused == cases.count)
  }

  @Test func badFieldsResetTheStreamOnly() throws {
    let server = try TestServer()
    defer { server.stop() }
    let client = try FrameClient(server)
    try client.request("GET", "/hello", stream: 1, extra: [("Bad", "a")])
    #expect(try client.next(FrameClient.Kind.reset, stream: 1).payload == FrameClient.bytes(1))
    try client.request("GET", "/hello", stream: 3, extra: [("x", "a\r\nb")])
    _ = try client.next(FrameClient.Kind.reset, stream: 3)
    try client.request("GET", "/hello", stream: 5)
    _ = try client.next(FrameClient.Kind.headers, stream: 5)
  }

  @Test func endlessHeadersResetTheStream() throws {
    let server = try TestServer {
      $0.headerBytes = 1000; $0.requestLineBytes = 100
    }
    defer { server.stop() }
    let client = try FrameClient(server)
    let many = (0..<10).map { ("x\($0)", String(repeating: "a", count: 1000)) }
    try client.request("GET", "/hello", stream: 1, extra: many)
    _ = try client.next(FrameClient.Kind.reset, stream: 1)
  }

  @Test func bodyThatContradictsItsLengthIsReset() throws {
    let server = try TestServer()
    defer { server.stop() }
    let client = try FrameClient(server)
    try client.request("POST", "/echo", stream: 1, ends: false, extra: [("content-length", "3")])
    try client.data([1, 2], stream: 1, ends: true)
    _ = try client.next(FrameClient.Kind.reset, stream: 1)
  }

  @Test func moreStreamsThanAllowedAreRefused() throws {
    let held = Box<[Exchange]>([])
    let server = try TestServer(TestHandler(["/held": { exchange in held.change { $0.append(exchange) } }])) {
      $0.concurrentStreams = 2
    }
    defer { server.stop() }
    let client = try FrameClient(server)
    // Sent before the settings are acknowledged: refused, not an error of the whole connection.
    for stream in [1, 3, 5] as [UInt32] { try client.request("GET", "/held", stream: stream) }
    #expect(try client.next(FrameClient.Kind.reset, stream: 5).payload == FrameClient.bytes(7))
    #expect(eventually { held.get().count == 2 })
    for exchange in held.get() { exchange.respond(.text("done")) }
    _ = try client.next(FrameClient.Kind.headers, stream: 1)
  }

  @Test func rapidResetEndsTheConnection() throws {
    let server = try TestServer {
      $0.resetBurst = 20; $0.resetsPerSecond = 1
    }
    defer { server.stop() }
    let client = try FrameClient(server)
    for index in 0..<40 {
      let stream = UInt32(index * 2 + 1)
      try client.request("GET", "/hello", stream: stream, ends: false)
      try client.send(FrameClient.Kind.reset, stream: stream, payload: FrameClient.bytes(8))
    }
    _ = try client.next(FrameClient.Kind.goAway)
    #expect(eventually { server.server.statistics.connectionsOpen == 0 })
  }

  @Test func garbageBehindThePrefaceEndsTheConnection() throws {
    let server = try TestServer()
    defer { server.stop() }
    let client = try server.connect()
    try client.send(ProtocolSniffer.preface + [UInt8](repeating: 255, count: 40))
    _ = client.readToEnd()
    #expect(eventually { server.server.statistics.connectionsOpen == 0 })
  }

  @Test func continueOverHTTP2() throws {
    let server = try TestServer()
    defer { server.stop() }
    let client = try FrameClient(server)
    let extra = [("expect", "100-continue")]
    try client.request("POST", "/echo", stream: 1, ends: false, extra: extra)
    let interim = try client.next(FrameClient.Kind.headers, stream: 1)
    #expect(!interim.endsStream)
    try client.data([7], stream: 1, ends: true)
    #expect(try !client.next(FrameClient.Kind.headers, stream: 1).endsStream)
    #expect(try client.next(FrameClient.Kind.data, stream: 1).payload == [7])
  }
}
