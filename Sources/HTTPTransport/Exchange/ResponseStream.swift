/// A response body that is written over time: events, or results as they come. Methods may be called from any
/// thread.
///
/// A stream that is dropped without `finish` ends abnormally, so that the client cannot take it for complete.
public final class ResponseStream: @unchecked Sendable {
  private let exchange: ExchangeID
  private let driver: any ExchangeDriver
  private let pipe: OutgoingPipe
  private let cancellation: Cancellation

  init(exchange: ExchangeID, driver: any ExchangeDriver, pipe: OutgoingPipe, cancellation: Cancellation) {
    self.exchange = exchange
    self.driver = driver
    self.pipe = pipe
    self.cancellation = cancellation
  }

  deinit {
    if pipe.cut() { driver.post(.streamReady, to: exchange) }
  }

  /// Queues bytes for sending. Returns false when more than half of
  /// `TransportConfiguration.responseBacklogBytes` waits: write again in `onWritable`. A writer that goes on
  /// beyond the whole of it has its stream reset.
  @discardableResult
  public func write(_ bytes: [UInt8]) -> Bool {
    guard !bytes.isEmpty else { return pipe.backlog <= pipe.limit / 2 }
    guard !cancellation.isCancelled else { return false }
    switch pipe.write(bytes) {
    case .signal: driver.post(.streamReady, to: exchange)
    case .quiet: break
    case .refused:
      driver.post(.streamReady, to: exchange)
      return false
    }
    return pipe.backlog <= pipe.limit / 2
  }

  /// Ends the body. `trailers` reach HTTP/2 clients, and HTTP/1.1 ones after the last chunk.
  public func finish(trailers: HTTPHeaders = .init()) {
    if case .signal = pipe.finish(trailers: trailers) { driver.post(.streamReady, to: exchange) }
  }

  /// Calls `action` once, from any thread, when the backlog is small enough for further writes or the client is
  /// gone. It must not block.
  public func onWritable(_ action: @escaping @Sendable () -> Void) { pipe.whenWritable(action) }

  /// The stream was reset or the connection is gone; what is written is thrown away.
  public var isCancelled: Bool { cancellation.isCancelled }
}
