import HTTPTransport

/// Liveness and readiness, of the server and of its models.
enum HealthEndpoints {
  static let routes: [Route] = [
    .get("/v2/health/live", .inline { _ in .json(["live": true]) }),
    .get("/v2/health/ready", .inline(ready)),
    .get("/v2/models/{model}/ready", .inline(modelReady)),
    .get("/v2/models/{model}/versions/{version}/ready", .inline(modelReady)),
  ]

  private static func ready(_ call: Call) -> Response {
    if call.context.isReady { return .json(["ready": true]) }
    let reason = call.context.isDraining ? "the server is shutting down" : "models are being loaded"
    return .json(["error": .string("Server not ready: \(reason)"), "ready": false], status: 503)
  }

  private static func modelReady(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    do throws(ServingError) {
      _ = try call.core.repository.servable(name, version: try call.version())
    } catch .modelNotReady(_, _, let reason) {
      return .json(
        ["error": .string("Model version not ready: \(reason)"), "name": .string(name), "ready": false],
        status: 503)
    }
    return .json(["name": .string(name), "ready": true])
  }
}
