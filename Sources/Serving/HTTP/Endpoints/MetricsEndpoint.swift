import HTTPTransport

/// `GET /metrics`: Prometheus text.
enum MetricsEndpoint {
  static let routes: [Route] = [.get("/metrics", .blocking(metrics))]

  private static func metrics(_ call: Call) -> Response {
    let text = call.core.metricsText { text in
      if let statistics = call.context.transportStatistics {
        TransportMetricsText.write(statistics, to: &text)
      }
    }
    return Response(
      status: 200, headers: ["content-type": PrometheusText.contentType], body: .bytes(text))
  }
}
