import HTTPTransport

/// The transport's counters in Prometheus' text format.
enum TransportMetricsText {
  static func write(_ statistics: TransportStatistics, to text: inout PrometheusText) {
    let families: [(name: String, kind: PrometheusText.Kind, help: String, value: Int)] = [
      ("adze_http_connections", .gauge, "Open connections.", statistics.connectionsOpen),
      ("adze_http_connections_total", .counter, "Accepted connections.", statistics.connectionsAccepted),
      (
        "adze_http_connections_refused_total", .counter, "Connections above the limit.",
        statistics.connectionsRefused
      ),
      (
        "adze_http_timeouts_total", .counter, "Requests and connections that were too slow.",
        statistics.timeouts
      ),
      ("adze_http_requests", .gauge, "Requests being answered.", statistics.requestsInFlight),
      (
        "adze_http_requests_refused_total", .counter, "Requests that broke a rule of HTTP or a limit.",
        statistics.requestsRefused
      ),
      (
        "adze_http_requests_cancelled_total", .counter, "Requests that the client gave up.",
        statistics.requestsCancelled
      ),
      ("adze_http_received_bytes_total", .counter, "Bytes received.", statistics.bytesReceived),
      ("adze_http_sent_bytes_total", .counter, "Bytes sent.", statistics.bytesSent),
      ("adze_http_body_bytes", .gauge, "Request body bytes in memory.", statistics.bodyBytesInFlight),
    ]
    for family in families {
      text.family(family.name, family.kind, family.help)
      text.sample(family.name, [], UInt64(clamping: family.value))
    }
    text.family("adze_http_requests_total", .counter, "Requests by HTTP version.")
    text.sample(
      "adze_http_requests_total", [(name: "http", value: "1.1")], UInt64(clamping: statistics.requestsHTTP1))
    text.sample(
      "adze_http_requests_total", [(name: "http", value: "2")], UInt64(clamping: statistics.requestsHTTP2))
  }
}
