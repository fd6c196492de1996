import Dispatch
import Testing

@testable import HTTPTransport

struct CancellationTests {
  private final class Holder: Sendable {
    let exchanges = Box<[Exchange]>([])
    let cancelled = Box(0)
    let events = Box<[String]>([])

    func hold(_ exchange: Exchange) {
      exchange.onCancel { self.cancelled.change { $0 += 1 } }
      exchanges.change { $0.append(exchange) }
    }

    func read(_ exchange: Exchange) {
      exchange.readBody(on: DispatchQueue(label: "test.read")) { event in
        switch event {
        case .chunk: self.events.change { if $0.last != "chunk" { $0.append("chunk") } }
        case .end: self.events.change { $0.append("end") }
        case .failed: self.events.change { $0.append("failed") }
        }
        if case .failed = event { exchange.respond(.text("too late")) }
      }
    }
  }

  @Test func aClosedConnectionCancels() throws {
    let holder = Holder()
    let server = try TestServer(TestHandler(["/held": holder.hold]))
    defer { server.stop() }
    var client: RawClient? = try server.connect()
    try client?.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(eventually { holder.exchanges.get().count == 1 })
    #expect(holder.exchanges.get()[0].isCancelled == false)
    client = nil
    #expect(eventually { holder.cancelled.get() == 1 })
    #expect(holder.exchanges.get()[0].isCancelled)
    // An answer that comes too late harms nobody.
    holder.exchanges.change { $0.removeLast().respond(.text("late")) }
    #expect(eventually { server.server.statistics.connectionsOpen == 0 })
    #expect(server.server.statistics.requestsInFlight == 0)
  }

  @Test func aResetStreamCancelsOnlyItself() throws {
    let holder = Holder()
    let server = try TestServer(TestHandler(["/held": holder.hold]))
    defer { server.stop() }
    let client = try FrameClient(server)
    try client.request("GET", "/held", stream: 1)
    try client.request("GET", "/held", stream: 3)
    #expect(eventually { holder.exchanges.get().count == 2 })
    try client.send(FrameClient.Kind.reset, stream: 1, payload: FrameClient.bytes(8))
    #expect(eventually { holder.cancelled.get() == 1 })
    let states = holder.exchanges.get().map(\.isCancelled)
    #expect(states == [true, false])
    holder.exchanges.get()[1].respond(.text("fine"))
    #expect(try client.next(FrameClient.Kind.data, stream: 3).payload == Array("fine".utf8))
    #expect(server.server.statistics.requestsCancelled == 1)
  }

  @Test(arguments: ["http1", "http1 chunked", "http2"]) func anUploadCutOffFails(kind: String) throws {
    let holder = Holder()
    let server = try TestServer(TestHandler(limit: 1 << 20, streamed: ["/read"], ["/read": holder.read]))
    defer { server.stop() }
    if kind == "http2" {
      let client = try FrameClient(server)
      try client.request("PUT", "/read", stream: 1, ends: false)
      try client.data([1, 2, 3], stream: 1)
      #expect(withExtendedLifetime(client) { eventually { holder.events.get() == ["chunk"] } })
    } else {
      let client = try server.connect()
      let framing =
        kind == "http1" ? "Content-Length: 10\r\n\r\nabc" : "Transfer-Encoding: chunked\r\n\r\n3\r\nabc"
      try client.send("PUT /read HTTP/1.1\r\nHost: a\r\n" + framing)
      #expect(withExtendedLifetime(client) { eventually { holder.events.get() == ["chunk"] } })
    }
    #expect(eventually { holder.events.get() == ["chunk", "failed"] })
    #expect(eventually { server.server.statistics.connectionsOpen == 0 })
  }

  @Test func actionsAreReleasedWithTheAnswer() throws {
    final class Token: Sendable {
      let isGone: Box<Bool>
      init(_ isGone: Box<Bool>) { self.isGone = isGone }
      deinit { isGone.change { $0 = true } }
    }
    let isGone = Box(false)
    let cancelled = Box(false)
    let server = try TestServer(
      TestHandler([
        "/token": { exchange in
          let token = Token(isGone)
          exchange.onCancel { withExtendedLifetime((token, exchange)) { cancelled.change { $0 = true } } }
          exchange.respond(.text("done"))
        }
      ]))
    defer { server.stop() }
    let client = try server.connect()
    try client.send("GET /token HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try client.readResponse().status == 200)
    #expect(eventually { isGone.get() })
    #expect(!cancelled.get())
  }
}
