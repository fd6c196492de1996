/// Names one exchange of one loop. Connection slots are reused, so a slot carries a generation, and a message
/// that comes too late finds nobody.
struct ExchangeID: Sendable, Hashable {
  var connection: ConnectionID
  /// The HTTP/2 stream, or a running number on HTTP/1.1.
  var stream: Int32
}

struct ConnectionID: Sendable, Hashable {
  var slot: UInt32
  var generation: UInt32
}

/// What an exchange tells the loop that owns its connection.
enum ExchangeMessage: Sendable {
  case respond(Response)
  case startStream(ResponseHead, OutgoingPipe)
  /// The outgoing pipe has bytes, its end, or was cut.
  case streamReady
  /// So many wire bytes of the body were used; the client may send as many again.
  case consumed(Int)
  /// The whole body of a buffered request, its content coding removed.
  case decoded([UInt8])
  /// The content coding is broken or the decoded body too large.
  case bodyRefused(status: Int, reason: String)
  /// The handler dropped the exchange without a response.
  case abandoned
}

/// The loop as an exchange sees it.
protocol ExchangeDriver: AnyObject, Sendable {
  /// From any thread.
  func post(_ message: ExchangeMessage, to exchange: ExchangeID)
  /// Whether the calling thread is the loop's own.
  var isCurrentThread: Bool { get }
}
