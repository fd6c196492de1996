import HTTPTransport

/// `DELETE` of a version or a whole model: unloads and removes.
enum ModelDeletionEndpoint {
  static let routes: [Route] = [
    .delete("/v2/repository/models/{model}", .blocking(deleteModel)),
    .delete("/v2/repository/models/{model}/versions/{version}", .blocking(deleteVersion)),
  ]

  private static func deleteModel(_ call: Call) throws(ServingError) -> Response {
    try delete(call, version: try call.queryVersion())
  }

  private static func deleteVersion(_ call: Call) throws(ServingError) -> Response {
    try delete(call, version: try call.version())
  }

  private static func delete(_ call: Call, version: Int?) throws(ServingError) -> Response {
    let name = try call.model()
    try call.core.repository.delete(name, version: version)
    var reply: [JSONValue.Member] = [.init(name: "name", value: .string(name))]
    if let version { reply.append(.init(name: "version", value: .string(String(version)))) }
    reply.append(.init(name: "deleted", value: true))
    return .json(.object(reply))
  }
}
