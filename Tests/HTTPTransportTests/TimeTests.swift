import Dispatch
import Glibc
import Testing

@testable import HTTPTransport

/// Slow or silent clients, and the end of the server.
struct TimeTests {
  private func server(
    _ handler: TestHandler = TestHandler(), _ change: (inout TransportConfiguration) -> Void
  ) throws -> TestServer {
    try TestServer(handler) {
      change(&$0)
      $0.discardSeconds = 1
    }
  }

  /// Slow loris: a byte now and then does not keep a connection.
  @Test(
    arguments: [
      ("GET /hello HTTP/1.1\r\nHost: a\r\nX: ", Array(repeating: 0x61, count: 30)),
      ("PRI", Array(ProtocolSniffer.preface.dropFirst(3))),
    ] as [(String, [UInt8])])
  func headsThatDoNotEnd(start: String, rest: [UInt8]) throws {
    let server = try server { $0.headerSeconds = 0.3 }
    defer { server.stop() }
    let client = try server.connect()
    try client.send(start)
    let begin = SystemCalls.monotonicNanoseconds()
    for byte in rest {
      usleep(50_000)
      if (try? client.send([byte])) == nil || server.server.statistics.timeouts > 0 { break }
    }
    #expect(server.server.statistics.timeouts > 0)
    #expect(SystemCalls.monotonicNanoseconds() - begin < 1_400_000_000)
    let answer = client.readToEnd()
    #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 408 "))
  }

  @Test func connectionsThatSayNothing() throws {
    let server = try server { $0.headerSeconds = 0.2 }
    defer { server.stop() }
    let client = try server.connect()
    #expect(client.readToEnd() == "")
    #expect(server.server.statistics.timeouts == 1)
  }

  @Test func headerBlocksThatDoNotEnd() throws {
    let server = try server { $0.headerSeconds = 0.2 }
    defer { server.stop() }
    let client = try FrameClient(server)
    // HEADERS without END_HEADERS, and no CONTINUATION.
    try client.send(
      FrameClient.Kind.headers, flags: 1, stream: 1, payload: FrameClient.encode([(":method", "GET")]))
    #expect(eventually { server.server.statistics.connectionsOpen == 0 })
  }

  @Test func bodiesThatStopArriving() throws {
    let server = try server(TestHandler(streamed: ["/streamed"], ["/streamed": { $0.onCancel {} }])) {
      $0.bodyIdleSeconds = 0.2
    }
    defer { server.stop() }
    let client = try server.connect()
    try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    #expect(client.readToEnd().hasPrefix("HTTP/1.1 408 "))
    let other = try FrameClient(server)
    try other.request("POST", "/echo", stream: 1, ends: false)
    let payload = try other.next(FrameClient.Kind.headers, stream: 1).payload
    #expect(payload.prefix(8).ranges(of: Array("408".utf8)).count == 1)
    // The client never ends its request, which is broken off after the discard time.
    _ = try other.next(FrameClient.Kind.reset, stream: 1)
  }

  @Test func aWaitingHandlerIsNotASlowClient() throws {
    let server = try server(
      TestHandler(
        streamed: ["/late"],
        [
          "/late": { exchange in
            let queue = DispatchQueue(label: "test.late")
            exchange.readBody(on: queue) { event in
              if case .chunk = event { usleep(600_000) }
              if case .end = event { exchange.respond(.text("fine")) }
            }
          }
        ])
    ) { $0.bodyIdleSeconds = 0.3 }
    defer { server.stop() }
    let client = try server.connect()
    try client.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc")
    usleep(450_000)
    try client.send("d")
    #expect(try client.readResponse().body == Array("fine".utf8))
  }

  @Test func idleConnectionsAreClosed() throws {
    let server = try server { $0.keepAliveSeconds = 0.2 }
    defer { server.stop() }
    let client = try server.connect()
    try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try client.readResponse().status == 200)
    #expect(client.readToEnd() == "")
    let other = try FrameClient(server)
    try other.request("GET", "/hello", stream: 1)
    _ = try other.next(FrameClient.Kind.goAway)
    #expect(eventually { server.server.statistics.connectionsOpen == 0 })
  }

  @Test func clientsThatDoNotReadAreDropped() throws {
    let large = TestHandler([
      "/large": { $0.respond(Response(status: 200, body: .bytes(.init(repeating: 1, count: 8 << 20)))) }
    ])
    let server = try server(large) { $0.writeStallSeconds = 0.3 }
    defer { server.stop() }
    let client = try RawClient(port: server.port, receiveBuffer: 4096)
    try client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(eventually { server.server.statistics.timeouts == 1 })
    // The socket is fine, but the stream's window stays shut.
    let other = try FrameClient(server, window: 100)
    try other.request("GET", "/large", stream: 1)
    _ = try other.next(FrameClient.Kind.reset, stream: 1)
    #expect(eventually { server.server.statistics.requestsInFlight == 0 })
  }

  @Test func connectionLimit() throws {
    let server = try TestServer { $0.maximumConnections = 3 }
    defer { server.stop() }
    let clients = try (0..<3).map { _ in try server.connect() }
    for client in clients {
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.readResponse().status == 200)
    }
    let refused = try server.connect().readToEnd()
    #expect(refused.hasPrefix("HTTP/1.1 503 "))
    #expect(refused.contains("too many connections"))
    #expect(server.server.statistics.connectionsRefused == 1)
    try clients[0].send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    _ = clients[0].readToEnd()
    #expect(eventually { server.server.statistics.connectionsOpen == 2 })
    #expect(try Tool.curl([server.url("/hello")]).text == "hello")
    withExtendedLifetime(clients) {}
  }
}

struct DrainTests {
  @Test func requestsInFlightFinish() throws {
    let held = Box<[Exchange]>([])
    let server = try TestServer(TestHandler(["/held": { exchange in held.change { $0.append(exchange) } }]))
    defer { server.stop() }
    let idle = try server.connect()
    try idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = try idle.readResponse()
    let http1 = try server.connect()
    try http1.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    let http2 = try FrameClient(server)
    try http2.request("GET", "/held", stream: 1)
    #expect(eventually { held.get().count == 2 })

    let done = DispatchSemaphore(value: 0)
    server.server.drain(deadline: 10) { done.signal() }
    #expect(idle.readToEnd() == "")
    let warning = try http2.next(FrameClient.Kind.goAway)
    #expect(Array(warning.payload.prefix(4)) == [0x7F, 0xFF, 0xFF, 0xFF])
    // Sent before the client heard of it: still served.
    try http2.request("GET", "/hello", stream: 3)
    #expect(try http2.next(FrameClient.Kind.data, stream: 3).payload == Array("hello".utf8))
    #expect(Array(try http2.next(FrameClient.Kind.goAway).payload.prefix(4)) == [0, 0, 0, 3])
    #expect(throws: ClientError.self) { try server.connect().readResponse() }
    #expect(done.wait(timeout: .now() + 0.1) == .timedOut)

    for exchange in held.get() { exchange.respond(.text("finished")) }
    let answer = http1.readToEnd()
    #expect(answer.contains("connection: close"))
    #expect(answer.hasSuffix("finished"))
    #expect(try http2.next(FrameClient.Kind.data, stream: 1).payload == Array("finished".utf8))
    #expect(!http2.raw.readMore())
    #expect(done.wait(timeout: .now() + 5) == .success)
    #expect(server.server.statistics.connectionsOpen == 0)
  }

  @Test func theDeadlineIsKept() throws {
    let held = Box<[Exchange]>([])
    let server = try TestServer(TestHandler(["/held": { exchange in held.change { $0.append(exchange) } }]))
    defer { server.stop() }
    let client = try server.connect()
    try client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(eventually { held.get().count == 1 })
    let done = DispatchSemaphore(value: 0)
    server.server.drain(deadline: 0.2) { done.signal() }
    #expect(done.wait(timeout: .now() + 5) == .success)
    #expect(held.get()[0].isCancelled)
    #expect(client.readToEnd() == "")
  }

  @Test func drainingTwiceAndNothing() throws {
    let server = try TestServer { $0.eventLoops = 3 }
    defer { server.stop() }
    for _ in 0..<2 {
      let done = DispatchSemaphore(value: 0)
      server.server.drain(deadline: 5) { done.signal() }
      #expect(done.wait(timeout: .now() + 5) == .success)
    }
  }

  /// Descriptors and memory of a server that is simply dropped.
  @Test func aDroppedServerClosesEverything() throws {
    let client: RawClient
    do {
      let server = try TestServer()
      client = try server.connect()
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      try withExtendedLifetime(server) { _ = try client.readResponse() }
    }
    #expect(client.readToEnd() == "")
  }
}
