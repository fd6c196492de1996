import Dispatch
import Glibc
import Testing

@testable import HTTPTransport

/// A started server on a free port of the loopback address. A test that makes one stops it in a `defer`, which
/// also keeps it alive: the optimizer ends objects after their last use.
final class TestServer: Sendable {
  let server: HTTPServer

  init(_ handler: TestHandler = TestHandler(), _ change: (inout TransportConfiguration) -> Void = { _ in })
    throws
  {
    var configuration = TransportConfiguration()
    configuration.host = "127.0.0.1"
    configuration.port = 0
    change(&configuration)
    server = try HTTPServer(configuration: configuration, handler: handler)
    server.start()
  }

  func stop() { server.drain(deadline: 0) {} }

  var port: Int { server.port }

  func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

  func connect() throws -> RawClient { try RawClient(port: port) }
}

/// Waits until something is true, at most `seconds`; the caller's expectation says what it was.
func eventually(within seconds: Double = 5, _ condition: () -> Bool) -> Bool {
  let end = SystemCalls.monotonicNanoseconds() + Int(seconds * 1e9)
  while SystemCalls.monotonicNanoseconds() < end {
    if condition() { return true }
    usleep(5000)
  }
  return condition()
}
