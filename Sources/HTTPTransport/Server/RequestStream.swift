import Dispatch
import Synchronization

/// The connection's side of a request: how one protocol sends the answer and gives credit for the body.
protocol RequestWire: AnyObject {
  func send(_ head: ResponseHead, _ body: BodySource, for stream: RequestStream)
  /// `100 Continue`.
  func sendContinue(for stream: RequestStream)
  /// The client may send `bytes` more of this body.
  func giveBack(_ bytes: Int, for stream: RequestStream)
  /// Gives up on a request that cannot be answered properly any more.
  func abort(_ stream: RequestStream)
}

/// One request on its way through the loop, whatever its protocol: decides with the handler what happens to the
/// body, takes it in, keeps its limits, and passes the first answer on. Confined to the loop.
final class RequestStream {
  private enum Intake {
    case body
    case complete
    /// The answer does not depend on the rest of the body, which is thrown away.
    case discarding
  }

  let id: ExchangeID
  let head: RequestHead
  private unowned let wire: any RequestWire
  private let driver: any ExchangeDriver
  private let context: ServerContext
  private let cancellation = Cancellation()
  private let reservation: BodyReservation

  private var intake = Intake.body
  private var limit = 0
  private var received = 0
  private var discarded = 0
  private var buffer: [UInt8] = []
  private var pipe: BodyPipe?
  private(set) var isAnswered = false
  private var isOver = false
  /// Body bytes that the client sent and nobody has used yet.
  private(set) var unused = 0
  private(set) var lastArrival: Int
  private var discardStart = 0

  init(
    id: ExchangeID, head: RequestHead, wire: any RequestWire, driver: any ExchangeDriver,
    context: ServerContext, now: Int
  ) {
    self.id = id
    self.head = head
    self.wire = wire
    self.driver = driver
    self.context = context
    reservation = BodyReservation(context.budget)
    lastArrival = now
    context.counters.requestsInFlight.add()
    (head.version == .http2 ? context.counters.requestsHTTP2 : context.counters.requestsHTTP1).add()
  }

  /// Whether the request's body has been read to its end.
  var isBodyComplete: Bool { if case .complete = intake { true } else { false } }
  var isDiscarding: Bool { if case .discarding = intake { true } else { false } }

  // MARK: Body

  /// Asks the handler. `hasBody` is false when the head already ended the request.
  func start(hasBody: Bool, expectsContinue: Bool) {
    if !hasBody { intake = .complete }
    switch context.handler.bodyMode(for: head) {
    case .reject(let response):
      answer(response)
    case .accept(let mode):
      accept(mode, hasBody: hasBody, expectsContinue: expectsContinue)
    }
  }

  /// Answers a request whose head already says that it cannot be taken.
  func start(refusing failure: RequestFailure, hasBody: Bool) {
    if !hasBody { intake = .complete }
    refuse(failure.status, failure.reason)
  }

  private func accept(_ mode: BodyMode, hasBody: Bool, expectsContinue: Bool) {
    limit = mode.limit
    let isCoded: Bool
    switch hasBody ? ContentCoding.of(head.headers) : .identity {
    case .identity: isCoded = false
    case .deflated: isCoded = true
    case .unknown(let name):
      return refuse(415, "the content coding '\(name)' is not one of gzip, deflate")
    }
    if let length = head.contentLength, length > limit {
      return refuse(413, "the body is larger than \(limit) bytes")
    }
    let isStreamed = if case .streamed = mode { true } else { false }
    if hasBody, isStreamed || isCoded {
      guard reservation.add(context.configuration.streamWindowBytes) else { return refuseBusy() }
      let decoder = isCoded ? BodyDecoder(limit: limit) : nil
      pipe = BodyPipe(exchange: id, driver: driver, decoder: decoder)
      if !isStreamed { collectDecoded() }
    }
    if expectsContinue, hasBody { wire.sendContinue(for: self) }
    if isStreamed || !hasBody { hand(over: []) }
  }

  /// Takes body bytes and returns how many the client may send again at once.
  func receive(_ bytes: UnsafeRawBufferPointer, now: Int) -> Int {
    lastArrival = now
    switch intake {
    case .complete:
      return bytes.count
    case .discarding:
      discarded += bytes.count
      if discarded > context.configuration.discardBytes { wire.abort(self) }
      return bytes.count
    case .body:
      received += bytes.count
      guard received <= limit else {
        refuse(413, "the body is larger than \(limit) bytes")
        return bytes.count
      }
      if let pipe {
        unused += bytes.count
        pipe.push(bytes)
        return 0
      }
      guard reservation.add(bytes.count) else {
        refuseBusy()
        return bytes.count
      }
      if buffer.isEmpty { buffer.reserveCapacity(min(head.contentLength ?? 0, 1 << 20)) }
      buffer.append(contentsOf: bytes)
      return bytes.count
    }
  }

  /// The request is complete.
  func endBody() {
    guard case .body = intake else {
      intake = .complete
      return
    }
    intake = .complete
    if let pipe {
      pipe.finish()
    } else {
      let body = buffer
      buffer = []
      hand(over: body)
    }
  }

  /// A buffered body with a content coding goes through a pipe too, and comes back as `.decoded`.
  private func collectDecoded() {
    let body = DecodedBody(reservation)
    let (driver, id) = (driver, id)
    let queue = DispatchQueue(label: "http.decoding.body", target: context.decodingQueue)
    pipe?.attach(queue: queue) { event in
      switch event {
      case .chunk(let bytes):
        if !body.append(bytes) {
          driver.post(.bodyRefused(status: 503, reason: RequestStream.busy), to: id)
        }
      case .end: driver.post(.decoded(body.take()), to: id)
      case .failed: break
      }
    }
  }

  private func hand(over body: [UInt8]) {
    let exchange = Exchange(
      head: head, id: id, driver: driver, cancellation: cancellation, pipe: pipe, coding: context.coding,
      backlogBytes: context.configuration.responseBacklogBytes, reservation: reservation)
    exchange.body = body
    context.handler.handle(exchange)
  }

  // MARK: Answers

  func take(_ message: ExchangeMessage) {
    switch message {
    case .respond(let response): answer(response)
    case .startStream(let head, let pipe): answer(head, BodySource(pipe), endsRequest: false)
    case .streamReady: break
    case .consumed(let count):
      guard !isDiscarding else { return }
      unused -= count
      wire.giveBack(count, for: self)
    case .decoded(let body): if !isAnswered { hand(over: body) }
    case .bodyRefused(let status, let reason): refuse(status, reason)
    case .abandoned: refuse(500, "the request was not answered")
    }
  }

  /// Answers for the transport itself.
  func refuse(_ status: Int, _ reason: String) {
    guard !isAnswered else { return }
    context.counters.requestsRefused.add()
    var response = context.handler.errorResponse(status: status, reason: reason)
    if status == 503, response.headers["retry-after"] == nil { response.headers.add("retry-after", "1") }
    pipe?.fail(reason)
    answer(response)
  }

  private static let busy = "the server holds too many request bodies"

  private func refuseBusy() { refuse(503, Self.busy) }

  private func answer(_ response: Response) {
    answer(
      ResponseHead(status: response.status, headers: response.headers), BodySource(response.body),
      endsRequest: true)
  }

  private func answer(_ head: ResponseHead, _ body: BodySource, endsRequest: Bool) {
    guard !isAnswered, !isOver else { return }
    isAnswered = true
    buffer = []
    let hadBody = !isBodyComplete
    if endsRequest, hadBody {
      intake = .discarding
      discardStart = lastArrival
      pipe?.fail("the request was answered before its body ended")
    }
    wire.send(head, body, for: self)
    if endsRequest, hadBody, unused > 0 {
      wire.giveBack(unused, for: self)
      unused = 0
    }
  }

  // MARK: End

  /// The whole response was sent.
  func finish() {
    guard !isOver else { return }
    isOver = true
    context.counters.requestsInFlight.add(-1)
    cancellation.close()
  }

  /// The client went away, or broke the request off.
  func cancel(_ reason: String) {
    guard !isOver else { return }
    isOver = true
    context.counters.requestsInFlight.add(-1)
    context.counters.requestsCancelled.add()
    pipe?.fail(reason)
    cancellation.cancel()
  }

  /// The client will send nothing more and may be gone; an answer is still tried.
  func noteEndOfInput() {
    if !isBodyComplete { pipe?.fail("the connection ended within the body") }
    cancellation.cancel()
  }

  /// Gives the request up when its body makes no progress.
  func checkTime(now: Int) {
    let configuration = context.configuration
    switch intake {
    case .complete: break
    case .body:
      // While bytes wait for the handler it is not the client that is slow.
      let limit = ServerContext.nanoseconds(configuration.bodyIdleSeconds)
      guard unused == 0, now - lastArrival > limit else { return }
      context.counters.timeouts.add()
      if isAnswered { wire.abort(self) } else { refuse(408, "the body stopped arriving") }
    case .discarding:
      if now - discardStart > ServerContext.nanoseconds(configuration.discardSeconds) { wire.abort(self) }
    }
  }
}

/// A decoded body that grows on the decoding queue.
private final class DecodedBody: Sendable {
  private let bytes = Mutex<[UInt8]>([])
  private let reservation: BodyReservation

  init(_ reservation: BodyReservation) { self.reservation = reservation }

  /// False when the server's budget is used up.
  func append(_ more: [UInt8]) -> Bool {
    guard reservation.add(more.count) else { return false }
    bytes.withLock { $0.append(contentsOf: more) }
    return true
  }

  func take() -> [UInt8] {
    bytes.withLock { bytes in
      let taken = bytes
      bytes = []
      return taken
    }
  }
}
