import Dispatch
import Synchronization

/// An HTTP/1.1 and HTTP/2 server on one port. Connections are told apart by their first bytes.
public final class HTTPServer: Sendable {
  /// The port it listens on, also when the configuration left the choice to the system.
  public let port: Int
  private let context: ServerContext
  private let loops: [EventLoop]
  private let acceptor: Mutex<Acceptor?>

  /// Binds and listens, so that clients can connect; they are served after `start`. Throws `configuration` for a
  /// number out of range, `address` for a host that does not resolve, and `system` when the operating system
  /// refuses (a port in use, for one).
  public init(configuration: TransportConfiguration, handler: any RequestHandler) throws(TransportError) {
    try configuration.validate()
    let context = ServerContext(configuration: configuration, handler: handler)
    var loops: [EventLoop] = []
    for index in 0..<configuration.eventLoops {
      loops.append(try EventLoop(index: index, context: context))
    }
    let listener = try Self.listen(configuration)
    let acceptor = Acceptor(listener: listener, context: context, loops: loops)
    port = try SystemCalls.boundPort(listener)
    self.context = context
    self.loops = loops
    self.acceptor = Mutex(acceptor)
  }

  /// A server that is dropped without `drain` closes its connections at once.
  deinit {
    acceptor.withLock { $0 }?.stop()
    for loop in loops { loop.drain(deadline: 0) {} }
  }

  /// The first address that can be bound.
  private static func listen(_ configuration: TransportConfiguration) throws(TransportError) -> Int32 {
    let addresses = try SocketAddress.resolve(host: configuration.host, port: configuration.port)
    var failure = TransportError.address(host: configuration.host, reason: "no address")
    for address in addresses {
      do throws(TransportError) {
        return try SystemCalls.listen(on: address, backlog: configuration.backlog)
      } catch {
        failure = .address(
          host: configuration.host, reason: "port \(configuration.port): \(error.description)")
      }
    }
    throw failure
  }

  /// Starts serving. Called once.
  public func start() {
    for loop in loops { loop.start() }
    acceptor.withLock { $0 }?.start()
  }

  /// Stops accepting, lets requests in flight finish (HTTP/2: GOAWAY, HTTP/1.1: `connection: close`), and calls
  /// `completion` when every connection is closed, at the latest after `seconds`: what is still open then is cut.
  public func drain(deadline seconds: Double, completion: @escaping @Sendable () -> Void) {
    let acceptor = self.acceptor.withLock { acceptor in
      let taken = acceptor
      acceptor = nil
      return taken
    }
    acceptor?.stop()
    let deadline = SystemCalls.monotonicNanoseconds() + ServerContext.nanoseconds(seconds)
    let group = DispatchGroup()
    for loop in loops {
      group.enter()
      loop.drain(deadline: deadline) { group.leave() }
    }
    group.notify(queue: .global()) { completion() }
  }

  public var statistics: TransportStatistics {
    context.counters.snapshot(bodyBytesInFlight: context.budget.bytes)
  }
}
