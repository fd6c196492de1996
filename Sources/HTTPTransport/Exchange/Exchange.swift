import Dispatch
import Synchronization

/// One request and its response. Methods may be called from any thread.
///
/// Safe to share: everything is immutable but `body`, which the loop sets before the handler sees the exchange.
public final class Exchange: @unchecked Sendable {
  public let head: RequestHead

  /// The whole decoded body of a `.buffered` request; empty for a `.streamed` one.
  public internal(set) var body: [UInt8] = []

  let id: ExchangeID
  private let driver: any ExchangeDriver
  private let cancellation: Cancellation
  private let pipe: BodyPipe?
  private let coding: ResponseCoding
  private let backlogBytes: Int
  private let isAnswered = Atomic<Bool>(false)
  /// Held for its end: it gives the body's bytes back to the server's budget.
  private let reservation: BodyReservation?

  init(
    head: RequestHead, id: ExchangeID, driver: any ExchangeDriver, cancellation: Cancellation,
    pipe: BodyPipe?, coding: ResponseCoding, backlogBytes: Int, reservation: BodyReservation?
  ) {
    self.head = head
    self.id = id
    self.driver = driver
    self.cancellation = cancellation
    self.pipe = pipe
    self.coding = coding
    self.backlogBytes = backlogBytes
    self.reservation = reservation
  }

  deinit {
    if !isAnswered.load(ordering: .acquiring) { driver.post(.abandoned, to: id) }
  }

  /// Starts the delivery of a `.streamed` body on `queue`, which must be serial. The client may send more once a
  /// chunk's callback has returned, so a slow receiver slows the client down and memory stays bounded by
  /// `TransportConfiguration.streamWindowBytes`.
  ///
  /// A `.buffered` body is complete already and comes as one chunk.
  public func readBody(on queue: DispatchQueue, _ receive: @escaping @Sendable (BodyEvent) -> Void) {
    if let pipe {
      pipe.attach(queue: queue, receive: receive)
    } else {
      let body = body
      queue.async {
        if !body.isEmpty { receive(.chunk(body)) }
        receive(.end)
      }
    }
  }

  /// Answers the request. Exactly once: of several answers the first one counts. Dropping the exchange without an
  /// answer answers 500.
  public func respond(_ response: Response) {
    guard claimAnswer() else { return }
    let (driver, id) = (driver, id)
    coding.encode(response, for: head, isOnLoop: driver.isCurrentThread) { encoded in
      driver.post(.respond(encoded), to: id)
    }
  }

  /// Answers with a body that is written over time.
  public func stream(_ head: ResponseHead) -> ResponseStream {
    let pipe = OutgoingPipe(limit: backlogBytes)
    if claimAnswer() {
      driver.post(.startStream(head, pipe), to: id)
      // A writer that waits in onWritable must learn that nobody reads any more.
      cancellation.onCancel { _ = pipe.cut() }
    }
    return ResponseStream(exchange: id, driver: driver, pipe: pipe, cancellation: cancellation)
  }

  /// The stream was reset or the connection is gone: an answer would reach nobody.
  public var isCancelled: Bool { cancellation.isCancelled }

  /// Calls `action` once when the exchange is cancelled, at once if it is so already; on the event loop or the
  /// calling thread, so it must not block. Not called after the response was sent.
  public func onCancel(_ action: @escaping @Sendable () -> Void) { cancellation.onCancel(action) }

  private func claimAnswer() -> Bool {
    isAnswered.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
  }
}
