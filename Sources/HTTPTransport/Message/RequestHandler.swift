/// How the handler wants a request's body. Both limits count decoded (inflated) bytes; a body above its limit
/// is answered with 413 by the transport.
public enum BodyMode: Sendable {
  /// Collected in memory; `handle` is called when it is complete.
  case buffered(limit: Int)
  /// Delivered piece by piece through `Exchange.readBody`; `handle` is called right after the head.
  case streamed(limit: Int)

  var limit: Int {
    switch self {
    case .buffered(let limit), .streamed(let limit): limit
    }
  }
}

/// What `RequestHandler.bodyMode` answers.
public enum BodyDecision: Sendable {
  case accept(BodyMode)
  /// Answers at once; the body is not read and `handle` is not called.
  case reject(Response)
}

/// The application above the transport.
public protocol RequestHandler: Sendable {
  /// Called on the event loop as soon as the head is there. Must not block.
  func bodyMode(for head: RequestHead) -> BodyDecision

  /// Called on the event loop: for `.buffered` once the whole body is there, for `.streamed` right after the
  /// head. Must not block: long work goes to another queue, which calls `Exchange.respond` from there.
  func handle(_ exchange: Exchange)

  /// Called on the event loop when it has handed over what had arrived: no `handle` follows at once, so this is the
  /// time to begin work on several requests together. Called at least once after each `handle`. Must not block.
  func endTurn()

  /// The response to an error that the transport itself found. `status` is one of 400, 408, 413, 414, 415, 417,
  /// 431, 500, 501, 503, 505; `reason` is a sentence for humans.
  func errorResponse(status: Int, reason: String) -> Response
}

extension RequestHandler {
  public func endTurn() {}
}
