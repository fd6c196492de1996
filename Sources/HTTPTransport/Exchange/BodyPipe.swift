import Dispatch
import Synchronization

/// Carries a streamed request body from the loop to the handler's queue, at most one window of it at a time.
final class BodyPipe: Sendable {
  private enum End {
    case complete
    case failed(String)
  }

  private struct State {
    var bytes: [UInt8] = []
    var end: End?
    var queue: DispatchQueue?
    var receive: (@Sendable (BodyEvent) -> Void)?
    /// A delivery is on the queue or running; it looks again before it ends.
    var isDelivering = false
  }

  private let state = Mutex(State())
  private let exchange: ExchangeID
  private let driver: any ExchangeDriver
  private let decoder: BodyDecoder?

  /// `decoder` removes the content coding on the handler's queue; nil when there is none.
  init(exchange: ExchangeID, driver: any ExchangeDriver, decoder: BodyDecoder?) {
    self.exchange = exchange
    self.driver = driver
    self.decoder = decoder
  }

  // MARK: Loop side

  func push(_ bytes: UnsafeRawBufferPointer) {
    schedule { $0.bytes.append(contentsOf: bytes) }
  }

  func finish() {
    schedule { $0.end = $0.end ?? .complete }
  }

  /// Ends the body early; bytes that were not delivered yet are dropped.
  func fail(_ reason: String) {
    schedule { state in
      if case .failed = state.end { return }
      state.end = .failed(reason)
      state.bytes = []
    }
  }

  // MARK: Handler side

  func attach(queue: DispatchQueue, receive: @escaping @Sendable (BodyEvent) -> Void) {
    schedule { state in
      precondition(state.queue == nil, "readBody is called once")
      state.queue = queue
      state.receive = receive
    }
  }

  private func schedule(_ change: (inout State) -> Void) {
    let queue = state.withLock { state -> DispatchQueue? in
      change(&state)
      guard !state.isDelivering, state.receive != nil, !state.bytes.isEmpty || state.end != nil else {
        return nil
      }
      state.isDelivering = true
      return state.queue
    }
    queue?.async { self.deliver() }
  }

  private func deliver() {
    while true {
      let (bytes, end, receive) = state.withLock { state in
        let taken = (state.bytes, state.bytes.isEmpty ? state.end : nil, state.receive)
        state.bytes = []
        if taken.0.isEmpty, taken.1 == nil || taken.2 == nil { state.isDelivering = false }
        return taken
      }
      guard let receive else { return }
      if !bytes.isEmpty {
        guard hand(bytes, to: receive) else { return }
      } else if let end {
        close(with: end, receive)
        return
      } else {
        return
      }
    }
  }

  /// False when the body turned out to be broken and the receiver was told so.
  private func hand(_ bytes: [UInt8], to receive: @Sendable (BodyEvent) -> Void) -> Bool {
    if let decoder {
      do {
        try decoder.decode(bytes) { receive(.chunk($0)) }
      } catch {
        refuse(error, receive)
        return false
      }
    } else {
      receive(.chunk(bytes))
    }
    driver.post(.consumed(bytes.count), to: exchange)
    return true
  }

  private func close(with end: End, _ receive: @Sendable (BodyEvent) -> Void) {
    switch end {
    case .failed(let reason):
      forgetReceiver()
      receive(.failed(reason: reason))
    case .complete:
      do {
        try decoder?.finish()
      } catch {
        refuse(error, receive)
        return
      }
      forgetReceiver()
      receive(.end)
    }
  }

  private func refuse(_ error: BodyDecoder.Failure, _ receive: @Sendable (BodyEvent) -> Void) {
    forgetReceiver()
    driver.post(.bodyRefused(status: error.status, reason: error.reason), to: exchange)
    receive(.failed(reason: error.reason))
  }

  /// The receiver often captures the exchange that owns this pipe.
  private func forgetReceiver() {
    let receiver = state.withLock { state in
      let taken = state.receive
      state.receive = nil
      state.bytes = []
      return taken
    }
    _ = receiver
  }
}
