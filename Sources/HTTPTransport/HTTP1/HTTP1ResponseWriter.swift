/// One HTTP/1.1 response on its way out.
struct HTTP1ResponseWriter {
  private enum Framing {
    case none
    case length
    case chunked
    /// HTTP/1.0: the body ends with the connection.
    case close
  }

  enum Progress {
    /// The buffer is full, or there is nothing to send now.
    case paused
    case complete
    /// The body broke off: only closing tells the client.
    case broken
  }

  private let framing: Framing
  private var head: [UInt8]
  private var source: BodySource
  /// Whether the connection can carry another request after this response.
  let keepsAlive: Bool

  init(
    _ response: ResponseHead, _ source: BodySource, request: RequestHead, keepsAlive: Bool, date: [UInt8]
  ) {
    self.source = source
    let isBodiless = ResponseFields.isBodiless(response.status)
    let isHead = request.method == "HEAD"
    if isBodiless || isHead {
      framing = .none
    } else if source.length != nil {
      framing = .length
    } else {
      framing = request.version == .http11 ? .chunked : .close
    }
    self.keepsAlive = keepsAlive && framing != .close
    var text: [UInt8] = []
    text.reserveCapacity(256)
    Self.appendStatusLine(response.status, to: &text)
    var hasLength = false
    ResponseFields.forEach(response.headers, keepsLength: isHead || response.status == 304) { name, value in
      if name.equalsIgnoringCase("content-length") { hasLength = true }
      text.append(contentsOf: name)
      text.append(contentsOf: ": ".utf8)
      ResponseFields.append(value, to: &text)
      text.append(contentsOf: "\r\n".utf8)
    }
    text.append(contentsOf: "date: ".utf8)
    text.append(contentsOf: date)
    if !isBodiless, !hasLength, let length = source.length {
      text.append(contentsOf: "\r\ncontent-length: ".utf8)
      text.append(contentsOf: String(length).utf8)
    }
    if framing == .chunked { text.append(contentsOf: "\r\ntransfer-encoding: chunked".utf8) }
    if !self.keepsAlive {
      text.append(contentsOf: "\r\nconnection: close".utf8)
    } else if request.version == .http10 {
      text.append(contentsOf: "\r\nconnection: keep-alive".utf8)
    }
    text.append(contentsOf: "\r\n\r\n".utf8)
    head = text
  }

  private static func appendStatusLine(_ status: Int, to text: inout [UInt8]) {
    text.append(contentsOf: "HTTP/1.1 ".utf8)
    text.append(contentsOf: String(status).utf8)
    text.append(0x20)
    let reason = StatusText.of(status)
    text.append(
      contentsOf: UnsafeRawBufferPointer(start: reason.utf8Start, count: reason.utf8CodeUnitCount))
    text.append(contentsOf: "\r\n".utf8)
  }

  var isCut: Bool { source.isCut }

  /// Adds the next bytes to `output`.
  mutating func produce(into output: OutputBuffer) -> Progress {
    if !head.isEmpty {
      output.append(head)
      head = []
    }
    guard framing != .none else { return .complete }
    while !output.isFull {
      let result = framing == .chunked ? produceChunk(into: output) : producePlain(into: output)
      switch result {
      case .bytes: continue
      case .blocked: return .paused
      case .end:
        if framing == .chunked { appendLastChunk(to: output) }
        return .complete
      case .cut: return .broken
      }
    }
    return .paused
  }

  private mutating func producePlain(into output: OutputBuffer) -> OutgoingPipe.Read {
    let result = source.read(into: output.space(atLeast: 1))
    if case .bytes(let count) = result { output.commit(count) }
    return result
  }

  /// Size lines have a fixed width, so that the data can be read in place behind one.
  private mutating func produceChunk(into output: OutputBuffer) -> OutgoingPipe.Read {
    let sizeLine = 10
    let space = output.space(atLeast: 1024)
    let data = UnsafeMutableRawBufferPointer(rebasing: space[sizeLine..<(space.count - 2)])
    let result = source.read(into: data)
    guard case .bytes(let count) = result else { return result }
    for digit in 0..<8 {
      space[digit] = Self.hexadecimal[count >> ((7 - digit) * 4) & 15]
    }
    for (offset, byte) in [(8, 0x0D), (9, 0x0A), (sizeLine + count, 0x0D), (sizeLine + count + 1, 0x0A)] {
      space[offset] = UInt8(byte)
    }
    output.commit(sizeLine + count + 2)
    return result
  }

  private static let hexadecimal = Array("0123456789abcdef".utf8)

  private func appendLastChunk(to output: OutputBuffer) {
    var text = Array("0\r\n".utf8)
    ResponseFields.forEach(source.trailers, keepsLength: false) { name, value in
      text.append(contentsOf: name)
      text.append(contentsOf: ": ".utf8)
      ResponseFields.append(value, to: &text)
      text.append(contentsOf: "\r\n".utf8)
    }
    text.append(contentsOf: "\r\n".utf8)
    output.append(text)
  }
}
