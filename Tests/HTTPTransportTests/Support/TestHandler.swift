import Synchronization

@testable import HTTPTransport

/// Answers by path; what is not in `routes` is 404.
final class TestHandler: RequestHandler {
  typealias Route = @Sendable (Exchange) -> Void

  private let limit: Int
  private let streamed: Set<String>
  private let routes: [String: Route]

  init(limit: Int = 1 << 20, streamed: Set<String> = [], _ routes: [String: Route] = [:]) {
    self.limit = limit
    self.streamed = streamed
    self.routes = routes.merging(Self.common) { own, _ in own }
  }

  func bodyMode(for head: RequestHead) -> BodyDecision {
    if head.path == "/rejected" { return .reject(errorResponse(status: 404, reason: "rejected early")) }
    return .accept(streamed.contains(head.path) ? .streamed(limit: limit) : .buffered(limit: limit))
  }

  func handle(_ exchange: Exchange) {
    guard let route = routes[exchange.head.path] else {
      return exchange.respond(errorResponse(status: 404, reason: "no such path"))
    }
    route(exchange)
  }

  func errorResponse(status: Int, reason: String) -> Response {
    Response(
      status: status, headers: ["content-type": "application/json"],
      body: .bytes(Array("{\"error\":\"\(reason)\"}".utf8)))
  }

  private static let common: [String: Route] = [
    "/hello": { $0.respond(.text("hello")) },
    "/echo": { exchange in
      let headers: HTTPHeaders = [
        "content-type": "application/octet-stream", "x-method": exchange.head.method,
        "x-query": exchange.head.query ?? "-",
      ]
      exchange.respond(Response(status: 200, headers: headers, body: .bytes(exchange.body)))
    },
  ]
}

extension Response {
  static func text(_ text: String, status: Int = 200) -> Response {
    Response(status: status, headers: ["content-type": "text/plain"], body: .bytes(Array(text.utf8)))
  }
}

/// A value that several threads of a test share.
final class Box<Value: Sendable>: Sendable {
  private let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
  func get() -> Value { value.withLock { $0 } }
  func change(_ body: @Sendable (inout Value) -> Void) { value.withLock { body(&$0) } }
}
