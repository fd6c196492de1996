import HTTPTransport

/// Which models there are, and what they take and give.
enum ModelMetadataEndpoints {
  static let routes: [Route] = [
    .get("/v2/models", .inline(list)),
    .get("/v2/models/{model}", .inline(metadata)),
    .get("/v2/models/{model}/versions/{version}", .inline(metadata)),
  ]

  private static func list(_ call: Call) -> Response {
    var names: [String] = []
    for entry in call.core.repository.index() where names.last != entry.name { names.append(entry.name) }
    return .json(["models": .array(names.map { .string($0) })])
  }

  private static func metadata(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    let version = try call.version()
    let servable = try call.core.repository.servable(name, version: version)
    let ready = try call.core.repository.versions(of: name).filter { $0.state == .ready }.map(\.version)
    return .json(V2ModelMetadata.json(V2Signature(servable), versions: version.map { [$0] } ?? ready))
  }
}
