import Dispatch
import Glibc
import Testing

@testable import HTTPTransport

/// Memory stays bounded whoever is slow.
struct FlowTests {
  /// The handler takes nothing until it is told to.
  private final class SlowReader: Sendable {
    let gate = DispatchSemaphore(value: 0)
    let received = Box(0)
    let largest = Box(0)

    func route(_ exchange: Exchange) {
      exchange.readBody(on: DispatchQueue(label: "test.slow")) { event in
        switch event {
        case .chunk(let bytes):
          self.gate.wait()
          self.gate.signal()
          self.received.change { $0 += bytes.count }
          self.largest.change { $0 = max($0, bytes.count) }
        case .end: exchange.respond(.text("\(self.received.get())"))
        case .failed: break
        }
      }
    }
  }

  @Test(arguments: ["--http1.1", "--http2-prior-knowledge"]) func aSlowHandlerHoldsTheUploadBack(
    version: String
  ) throws {
    let reader = SlowReader()
    let server = try TestServer(TestHandler(limit: 1 << 30, streamed: ["/slow"], ["/slow": reader.route])) {
      $0.streamWindowBytes = 128 << 10
    }
    defer { server.stop() }
    let size = 30 << 20
    let file = try TemporaryFile([UInt8](repeating: 9, count: size))
    let url = server.url("/slow")
    let answer = Box("")
    let group = DispatchGroup()
    DispatchQueue.global().async(group: group) {
      let text = (try? Tool.curl([version, "-T", file.path, url]).text) ?? "curl failed"
      answer.change { $0 = text }
    }
    #expect(eventually { server.server.statistics.bytesReceived > 64 << 10 })
    usleep(300_000)
    // Framing and one read's worth come on top of the window.
    #expect(server.server.statistics.bytesReceived < 1 << 20)
    #expect(reader.received.get() == 0)
    // The other connections do not notice.
    #expect(try Tool.curl([server.url("/hello")]).text == "hello")
    reader.gate.signal()
    group.wait()
    #expect(answer.get() == "\(size)")
    #expect(reader.largest.get() <= 1 << 20)
  }

  @Test func aSlowBodyDoesNotHoldItsConnectionBack() throws {
    let reader = SlowReader()
    let server = try TestServer(TestHandler(limit: 1 << 30, streamed: ["/slow"], ["/slow": reader.route])) {
      $0.streamWindowBytes = 65535
      $0.connectionWindowBytes = 65535
    }
    defer { server.stop() }
    let client = try FrameClient(server)
    try client.request("PUT", "/slow", stream: 1, ends: false)
    for _ in 0..<4 { try client.data([UInt8](repeating: 1, count: 16000), stream: 1) }
    try client.request("POST", "/echo", stream: 3, ends: false)
    try client.data([5], stream: 3, ends: true)
    #expect(try client.next(FrameClient.Kind.data, stream: 3).payload == [5])
    reader.gate.signal()
    try client.data([1], stream: 1, ends: true)
    #expect(try client.next(FrameClient.Kind.data, stream: 1).payload == Array("64001".utf8))
  }

  @Test func aSlowClientHoldsTheStreamBack() throws {
    let written = Box(0)
    let isOver = Box(false)
    let server = try TestServer(
      TestHandler([
        "/flood": { exchange in
          let stream = exchange.stream(ResponseHead(status: 200))
          let piece = [UInt8](repeating: 3, count: 10_000)
          @Sendable func pump() {
            while !stream.isCancelled {
              written.change { $0 += piece.count }
              if !stream.write(piece) { return stream.onWritable { DispatchQueue.global().async { pump() } } }
            }
            isOver.change { $0 = true }
          }
          DispatchQueue.global().async { pump() }
        }
      ])
    ) { $0.responseBacklogBytes = 100_000 }
    defer { server.stop() }
    var client: FrameClient? = try FrameClient(server)
    try client?.request("GET", "/flood", stream: 1)
    var seen = 0
    while seen < 65535 { seen += try client!.next(FrameClient.Kind.data, stream: 1).payload.count }
    usleep(200_000)
    #expect(written.get() < 65535 + 100_000)
    try client?.openWindow(1_000_000, stream: 1)
    try client?.openWindow(1_000_000, stream: 0)
    while seen < 1_000_000 { seen += try client!.next(FrameClient.Kind.data, stream: 1).payload.count }
    client = nil
    #expect(eventually { isOver.get() })
  }

  @Test func aWriterThatIgnoresItsReaderIsCut() throws {
    let accepted = Box(0)
    let server = try TestServer(
      TestHandler([
        "/flood": { exchange in
          let stream = exchange.stream(ResponseHead(status: 200))
          DispatchQueue.global().async {
            for _ in 0..<1000 where !stream.isCancelled {
              stream.write([UInt8](repeating: 3, count: 10_000))
              accepted.change { $0 += 1 }
              usleep(100)
            }
          }
        }
      ])
    ) { $0.responseBacklogBytes = 50_000 }
    defer { server.stop() }
    let client = try FrameClient(server, window: 0)
    try client.request("GET", "/flood", stream: 1)
    // The reset comes although the client's window lets no byte through.
    _ = try client.next(FrameClient.Kind.reset, stream: 1)
    #expect(accepted.get() < 1000)
  }

  @Test func bodiesBeyondTheBudgetAreRefused() throws {
    let held = Box<[Exchange]>([])
    let server = try TestServer(
      TestHandler(limit: 1 << 20, ["/held": { exchange in held.change { $0.append(exchange) } }])
    ) {
      $0.bodyBytesInFlight = 100_000
      $0.streamWindowBytes = 65535
    }
    defer { server.stop() }
    let body = String(repeating: "x", count: 60_000)
    let request = "POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + body
    let first = try server.connect()
    try first.send(request)
    #expect(eventually { held.get().count == 1 })
    #expect(server.server.statistics.bodyBytesInFlight == 60_000)
    let second = try server.connect()
    try second.send(request)
    let refused = second.readToEnd()
    #expect(refused.hasPrefix("HTTP/1.1 503 "))
    #expect(refused.contains("retry-after: 1"))
    held.change { exchanges in
      exchanges.removeLast().respond(.text("done"))
    }
    #expect(try first.readResponse().status == 200)
    #expect(eventually { server.server.statistics.bodyBytesInFlight == 0 })
    try first.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + body)
    #expect(try first.readResponse().body.count == 60_000)
  }
}
