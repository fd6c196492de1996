import HTTPTransport

/// `GET /v2`: name, version and what of the protocol's extensions is there.
enum ServerMetadataEndpoint {
  static let routes: [Route] = [
    .get(
      "/v2",
      .inline { _ in .json(["name": "adze", "version": .string(Server.version), "extensions": extensions]) })
  ]

  private static let extensions: JSONValue = [
    "classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters",
    "statistics", "logging",
  ]
}
