import Synchronization

/// Counters of one server since its start.
public struct TransportStatistics: Sendable, Equatable {
  public var connectionsOpen = 0
  public var connectionsAccepted = 0
  /// Closed at once because `maximumConnections` were open.
  public var connectionsRefused = 0
  /// Requests and connections ended because a header, body, idle or write time ran out.
  public var timeouts = 0
  public var requestsHTTP1 = 0
  public var requestsHTTP2 = 0
  public var requestsInFlight = 0
  /// Answered by the transport itself with a 4xx or 5xx.
  public var requestsRefused = 0
  /// Given up by the client before the response was complete.
  public var requestsCancelled = 0
  public var bytesReceived = 0
  public var bytesSent = 0
  /// Request body bytes held in memory right now.
  public var bodyBytesInFlight = 0

  public init() {}
}

/// The live counters; relaxed, because nobody orders anything by them.
final class Counters: Sendable {
  final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    func add(_ amount: Int = 1) { number.wrappingAdd(amount, ordering: .relaxed) }
    var value: Int { number.load(ordering: .relaxed) }
  }

  let connectionsOpen = Counter()
  let connectionsAccepted = Counter()
  let connectionsRefused = Counter()
  let timeouts = Counter()
  let requestsHTTP1 = Counter()
  let requestsHTTP2 = Counter()
  let requestsInFlight = Counter()
  let requestsRefused = Counter()
  let requestsCancelled = Counter()
  let bytesReceived = Counter()
  let bytesSent = Counter()

  func snapshot(bodyBytesInFlight: Int) -> TransportStatistics {
    var statistics = TransportStatistics()
    statistics.connectionsOpen = connectionsOpen.value
    statistics.connectionsAccepted = connectionsAccepted.value
    statistics.connectionsRefused = connectionsRefused.value
    statistics.timeouts = timeouts.value
    statistics.requestsHTTP1 = requestsHTTP1.value
    statistics.requestsHTTP2 = requestsHTTP2.value
    statistics.requestsInFlight = requestsInFlight.value
    statistics.requestsRefused = requestsRefused.value
    statistics.requestsCancelled = requestsCancelled.value
    statistics.bytesReceived = bytesReceived.value
    statistics.bytesSent = bytesSent.value
    statistics.bodyBytesInFlight = bodyBytesInFlight
    return statistics
  }
}
