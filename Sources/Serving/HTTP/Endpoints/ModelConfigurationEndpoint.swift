import HTTPTransport

/// `GET …/config`: the model as Triton's ModelConfig.
enum ModelConfigurationEndpoint {
  static let routes: [Route] = [
    .get("/v2/models/{model}/config", .inline(configuration)),
    .get("/v2/models/{model}/versions/{version}/config", .inline(configuration)),
  ]

  private static func configuration(_ call: Call) throws(ServingError) -> Response {
    let servable = try call.core.repository.servable(try call.model(), version: try call.version())
    return .json(
      V2ModelConfiguration.json(
        V2Signature(servable), workers: call.core.workers.threads, call.configuration))
  }
}
