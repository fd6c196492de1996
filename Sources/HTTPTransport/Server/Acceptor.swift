import Dispatch
import Synchronization

/// Accepts connections and hands each to the loop that has the fewest.
///
/// One listener for all loops: with `SO_REUSEPORT` the kernel spreads few connections badly.
final class Acceptor: @unchecked Sendable {
  private let listener: Int32
  private let context: ServerContext
  private let loops: [EventLoop]
  private let queue = DispatchQueue(label: "http.accept")
  /// Touched on `queue` only.
  private var source: (any DispatchSourceRead)?

  /// Takes over the listening socket.
  init(listener: Int32, context: ServerContext, loops: [EventLoop]) {
    self.listener = listener
    self.context = context
    self.loops = loops
  }

  deinit { SystemCalls.close(listener) }

  func start() {
    let source = DispatchSource.makeReadSource(fileDescriptor: listener, queue: queue)
    source.setEventHandler { self.acceptAll() }
    queue.sync { self.source = source }
    source.activate()
  }

  /// No connection is accepted any more; those that wait are refused by the system once this is released.
  func stop() {
    queue.sync {
      source?.cancel()
      source = nil
    }
  }

  private func acceptAll() {
    while source != nil {
      switch SystemCalls.accept(listener) {
      case .connection(let descriptor): hand(over: descriptor)
      case .none: return
      case .exhausted:
        // The connections wait in the backlog until a descriptor is free.
        SystemCalls.pause(milliseconds: 50)
        return
      }
    }
  }

  private func hand(over descriptor: Int32) {
    context.counters.connectionsAccepted.add()
    let open = loops.reduce(0) { $0 + $1.connectionLoad }
    guard open < context.configuration.maximumConnections else { return refuse(descriptor) }
    loops.min { $0.connectionLoad < $1.connectionLoad }?.adopt(descriptor)
  }

  /// Says 503 without reading: an HTTP/1.1 client understands it, any other one sees the connection close.
  private func refuse(_ descriptor: Int32) {
    context.counters.connectionsRefused.add()
    var response = context.handler.errorResponse(status: 503, reason: "too many connections")
    response.headers.add("retry-after", "1")
    var writer = HTTP1ResponseWriter(
      ResponseHead(status: 503, headers: response.headers), BodySource(response.body),
      request: RequestHead(method: "GET", path: "/"), keepsAlive: false, date: DateHeader().bytes)
    let output = OutputBuffer(goal: 16 << 10)
    _ = writer.produce(into: output)
    _ = SystemCalls.send(descriptor, output.bytes)
    SystemCalls.shutdownSending(descriptor)
    SystemCalls.close(descriptor)
  }
}
