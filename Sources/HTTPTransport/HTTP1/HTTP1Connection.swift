/// HTTP/1.1 on one connection: one request at a time, further ones wait in the input (pipelining).
final class HTTP1Connection: ConnectionProtocol, RequestWire {
  private enum Reading {
    case head(HeadScanner)
    case fixedBody(remaining: Int)
    case chunkedBody(ChunkDecoder)
    /// The request is read; the next one is looked at when its response is sent.
    case awaitingResponse
    /// What still comes is dropped: no request can follow.
    case nothing
  }

  private unowned let connection: Connection
  private var context: ServerContext { connection.context }
  private var reading: Reading
  private var input: [UInt8] = []
  private var request: RequestStream?
  private var requestKeepsAlive = true
  private var writer: HTTP1ResponseWriter?
  private var interim: [UInt8] = []
  private var serial: Int32 = 0
  private var isDraining = false
  private var inputEnded = false
  private var isDone = false
  private(set) var closesGently = true
  /// When the connection became idle, or the request being read began.
  private var since: Int
  private var hasRequestBegun = false

  /// A client that goes on sending requests ahead is held back at this many bytes.
  private static let pipelinedBytes = 64 << 10

  init(_ connection: Connection) {
    self.connection = connection
    reading = .head(HeadScanner(limits: connection.context.headLimits))
    since = connection.loop.now
  }

  // MARK: Input

  var wantsInput: Bool {
    switch reading {
    case .head, .nothing: true
    case .fixedBody, .chunkedBody: (request?.unused ?? 0) < context.configuration.streamWindowBytes
    case .awaitingResponse: input.count < Self.pipelinedBytes
    }
  }

  func receive(_ bytes: UnsafeRawBufferPointer) {
    if input.isEmpty {
      let used = process(bytes)
      if used < bytes.count { input.append(contentsOf: bytes[used...]) }
    } else {
      input.append(contentsOf: bytes)
      processInput()
    }
  }

  private func processInput() {
    // Taken out while it is read: processing must not see it change.
    let waiting = input
    input = []
    let used = waiting.withUnsafeBytes { process($0) }
    if used == 0 { input = waiting } else if used < waiting.count { input = Array(waiting[used...]) }
  }

  /// Returns how many bytes were used; the rest is shown again with more behind it.
  private func process(_ bytes: UnsafeRawBufferPointer) -> Int {
    var position = 0
    do {
      while position < bytes.count {
        switch reading {
        case .head(var scanner):
          let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
          noteRequestBegin()
          let length = try scanner.scan(rest)
          reading = .head(scanner)
          guard let length else { return position }
          position += length
          let head = UnsafeRawBufferPointer(rebasing: rest[scanner.headStart..<length])
          let behind = UnsafeRawBufferPointer(rebasing: rest[length...])
          if try begin(try HeadParser.parse(head), behind: behind) { return bytes.count }
        case .fixedBody(let remaining):
          position += takeFixed(UnsafeRawBufferPointer(rebasing: bytes[position...]), remaining)
        case .chunkedBody(let decoder):
          try takeChunked(bytes, decoder, &position)
        case .awaitingResponse:
          return position
        case .nothing:
          return bytes.count
        }
      }
    } catch {
      refuse(error)
      return bytes.count
    }
    return position
  }

  private func noteRequestBegin() {
    guard !hasRequestBegun else { return }
    hasRequestBegun = true
    since = connection.loop.now
  }

  /// True when the connection went over to HTTP/2, which then has everything behind the head.
  private func begin(_ parsed: HTTP1Request, behind: UnsafeRawBufferPointer) throws(RequestFailure) -> Bool {
    hasRequestBegun = false
    if let settings = parsed.http2Settings, !isDraining {
      reading = .nothing
      connection.upgrade(parsed, settings: settings, rest: behind)
      return true
    }
    requestKeepsAlive = parsed.keepsAlive
    serial &+= 1
    let stream = RequestStream(
      id: ExchangeID(connection: connection.id, stream: serial), head: parsed.head, wire: self,
      driver: connection.loop, context: context, now: connection.loop.now)
    request = stream
    switch parsed.framing {
    case .none, .length(0): reading = .awaitingResponse
    case .length(let length): reading = .fixedBody(remaining: length)
    case .chunked:
      reading = .chunkedBody(
        ChunkDecoder(
          extensionLimit: context.configuration.chunkExtensionBytes, trailerLimits: context.headLimits))
    }
    let hasBody = if case .awaitingResponse = reading { false } else { true }
    stream.start(hasBody: hasBody, expectsContinue: parsed.expectsContinue)
    return false
  }

  private func takeFixed(_ bytes: UnsafeRawBufferPointer, _ remaining: Int) -> Int {
    let count = min(remaining, bytes.count)
    reading = .fixedBody(remaining: remaining - count)
    give(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    if count == remaining { endBody() }
    return count
  }

  private func takeChunked(
    _ bytes: UnsafeRawBufferPointer, _ decoder: ChunkDecoder, _ position: inout Int
  ) throws(RequestFailure) {
    var decoder = decoder
    while true {
      switch try decoder.next(bytes, at: &position) {
      case .body(let range):
        give(UnsafeRawBufferPointer(rebasing: bytes[range]))
        // The body may just have been refused.
        guard case .chunkedBody = reading else { return }
      case .needsMore:
        reading = .chunkedBody(decoder)
        return
      case .end:
        reading = .chunkedBody(decoder)
        return endBody()
      }
    }
  }

  private func give(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    _ = request?.receive(bytes, now: connection.loop.now)
  }

  private func endBody() {
    switch reading {
    case .fixedBody, .chunkedBody: reading = .awaitingResponse
    case .head, .awaitingResponse, .nothing: return
    }
    request?.endBody()
  }

  /// The bytes are no request, or the body no body: answers if nothing was answered yet, and closes.
  private func refuse(_ failure: RequestFailure) {
    reading = .nothing
    requestKeepsAlive = false
    if let request {
      // A response that is under way cannot be taken back: it breaks off.
      if request.isAnswered { abort(request) } else { request.refuse(failure.status, failure.reason) }
      return
    }
    context.counters.requestsRefused.add()
    let response = context.handler.errorResponse(status: failure.status, reason: failure.reason)
    writer = HTTP1ResponseWriter(
      ResponseHead(status: response.status, headers: response.headers), BodySource(response.body),
      request: RequestHead(method: "GET", path: "/"), keepsAlive: false, date: connection.loop.date)
  }

  func receiveEnd() -> Bool {
    inputEnded = true
    switch reading {
    case .awaitingResponse, .nothing:
      request?.noteEndOfInput()
      if input.isEmpty { requestKeepsAlive = false }
      return request != nil || writer != nil || isDone
    case .head:
      // Earlier responses may still be on their way out.
      isDone = true
      return true
    case .fixedBody, .chunkedBody:
      return false
    }
  }

  // MARK: Output

  func send(_ head: ResponseHead, _ body: BodySource, for stream: RequestStream) {
    guard stream === request else { return }
    let readsOn = stream.isDiscarding
    if readsOn { reading = .nothing }
    let keepsAlive = requestKeepsAlive && !isDraining && !readsOn
    writer = HTTP1ResponseWriter(
      head, body, request: stream.head, keepsAlive: keepsAlive, date: connection.loop.date)
  }

  func sendContinue(for stream: RequestStream) { interim = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8) }

  // Room is looked at again after every turn of the connection.
  func giveBack(_ bytes: Int, for stream: RequestStream) {}

  func abort(_ stream: RequestStream) {
    stream.cancel("the connection was closed")
    reading = .nothing
    writer = nil
    closesGently = false
    isDone = true
  }

  func produce(into output: OutputBuffer) {
    if !interim.isEmpty {
      // Not needed any more once the final response is there.
      if writer == nil { output.append(interim) }
      interim = []
    }
    guard writer != nil else { return }
    switch writer!.produce(into: output) {
    case .paused: break
    case .complete: endResponse()
    case .broken:
      request?.cancel("the response broke off")
      request = nil
      writer = nil
      closesGently = false
      isDone = true
    }
  }

  private func endResponse() {
    let keepsAlive = writer?.keepsAlive ?? false
    writer = nil
    guard let stream = request else {
      isDone = true
      return
    }
    if stream.isBodyComplete, keepsAlive {
      stream.finish()
      request = nil
      reading = .head(HeadScanner(limits: context.headLimits))
      since = connection.loop.now
      hasRequestBegun = false
    } else {
      // A streamed response that ended before its request's body: the rest is dropped.
      stream.finish()
      request = nil
      reading = .nothing
      isDone = true
    }
  }

  func outputSent() {
    guard !isDone, case .head = reading else { return }
    if isDraining, !hasRequestBegun, input.isEmpty {
      isDone = true
      closesGently = false
    } else if !input.isEmpty {
      processInput()
      connection.loop.markDirty(connection)
      if inputEnded, case .head = reading { isDone = true }
    } else if inputEnded {
      isDone = true
    }
  }

  var isFinished: Bool { isDone }

  // MARK: Events

  func take(_ message: ExchangeMessage, stream: Int32) {
    guard let request, request.id.stream == stream else { return }
    request.take(message)
    // Its reader may not let another byte through.
    if case .streamReady = message, writer?.isCut == true { connection.close() }
  }

  func checkTime(now: Int) -> Bool {
    let configuration = context.configuration
    switch reading {
    case .head:
      if hasRequestBegun {
        if now - since > ServerContext.nanoseconds(configuration.headerSeconds), !isDone {
          context.counters.timeouts.add()
          refuse(RequestFailure(status: 408, reason: "the request head stopped arriving"))
        }
        return true
      }
      return now - since <= ServerContext.nanoseconds(configuration.keepAliveSeconds)
    case .fixedBody, .chunkedBody:
      request?.checkTime(now: now)
      return true
    case .nothing:
      if request?.isDiscarding == true { request?.checkTime(now: now) }
      return true
    case .awaitingResponse:
      return true
    }
  }

  func drain(isFinal: Bool) {
    isDraining = true
    guard case .head = reading, !hasRequestBegun, writer == nil, input.isEmpty else { return }
    closesGently = false
    isDone = true
  }

  func lose() {
    request?.cancel("the connection was closed")
    request = nil
  }
}
