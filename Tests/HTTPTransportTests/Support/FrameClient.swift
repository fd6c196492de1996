@testable import HTTPTransport

/// HTTP/2 by hand, so that tests can send what no library would.
final class FrameClient {
  struct Frame {
    var type: UInt8
    var flags: UInt8
    var stream: Int
    var payload: [UInt8]

    var endsStream: Bool { flags & 1 != 0 }
  }

  enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
  }

  let raw: RawClient

  /// Connects and sends the preface; `window` is the stream window that the client offers.
  init(_ server: TestServer, window: UInt32 = 65535) throws {
    raw = try server.connect()
    try raw.send(ProtocolSniffer.preface)
    try send(Kind.settings, payload: [0, 4] + Self.bytes(window))
  }

  func send(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) throws {
    let length = Self.bytes(UInt32(payload.count)).dropFirst()
    try raw.send(Array(length) + [type, flags] + Self.bytes(stream) + payload)
  }

  /// A request head; every field is a literal that is not indexed, so no compression state is kept.
  func request(
    _ method: String = "GET", _ path: String, stream: UInt32, ends: Bool = true,
    extra: [(String, String)] = []
  ) throws {
    let fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")] + extra
    try send(Kind.headers, flags: ends ? 5 : 4, stream: stream, payload: Self.encode(fields))
  }

  func data(_ bytes: [UInt8], stream: UInt32, ends: Bool = false) throws {
    try send(Kind.data, flags: ends ? 1 : 0, stream: stream, payload: bytes)
  }

  func openWindow(_ amount: UInt32, stream: UInt32) throws {
    try send(Kind.windowUpdate, stream: stream, payload: Self.bytes(amount))
  }

  func next() throws -> Frame {
    let head = try raw.take(9)
    let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    let stream = (Int(head[5]) & 0x7F) << 24 | Int(head[6]) << 16 | Int(head[7]) << 8 | Int(head[8])
    return Frame(type: head[3], flags: head[4], stream: stream, payload: try raw.take(length))
  }

  /// The next frame of this kind; others are dropped, settings acknowledged.
  func next(_ type: UInt8, stream: Int? = nil) throws -> Frame {
    while true {
      let frame = try next()
      if frame.type == Kind.settings, frame.flags & 1 == 0 { try send(Kind.settings, flags: 1) }
      if frame.type == type, stream == nil || frame.stream == stream { return frame }
    }
  }

  static func encode(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { [0x00] + string($0.0) + string($0.1) }
  }

  /// HPACK's string literal with a 7-bit length prefix (RFC 7541 section 5).
  private static func string(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
    var length = [UInt8(127)]
    var rest = bytes.count - 127
    while rest >= 128 {
      length.append(UInt8(rest & 127 | 128))
      rest >>= 7
    }
    return length + [UInt8(rest)] + bytes
  }

  static func bytes(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
  }
}
