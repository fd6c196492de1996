import HTTPTransport

/// The repository's index, loading and unloading.
enum ModelControlEndpoints {
  static let routes: [Route] = [
    .post("/v2/repository/index", .json, .inline(index)),
    .post("/v2/repository/models/{model}/load", .json, .blocking(load)),
    .post("/v2/repository/models/{model}/unload", .json, .blocking(unload)),
  ]

  private static func index(_ call: Call) throws(ServingError) -> Response {
    let body = try call.jsonBody(only: ["ready", "repository_name"])
    if let ready = body["ready"], ready.bool == nil {
      throw .invalidRequest(reason: "'ready' must be true or false")
    }
    let onlyReady = body["ready"]?.bool ?? false
    let entries = call.core.repository.index().filter { !onlyReady || $0.state == .ready }
    return .json(.array(entries.map(row)))
  }

  private static func row(_ entry: ModelIndexEntry) -> JSONValue {
    [
      "name": .string(entry.name), "version": .string(String(entry.version)),
      "state": .string(entry.state.name), "reason": .string(entry.state.reason),
      "default": .bool(entry.isDefault), "label": .string(entry.manifest?.label ?? ""),
    ]
  }

  private static func load(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    try checkParameters(try call.jsonBody(only: ["parameters"]), allowed: [])
    try call.core.repository.load(name)
    return .json(["name": .string(name), "load": true])
  }

  private static func unload(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    try checkParameters(try call.jsonBody(only: ["parameters"]), allowed: ["unload_dependents"])
    do throws(ServingError) {
      try call.core.repository.unload(name)
    } catch .modelNotFound {
      // What is not there is unloaded: clients repeat this call.
    }
    return .json(["name": .string(name), "unload": true])
  }

  private static func checkParameters(_ body: JSONValue, allowed: [String]) throws(ServingError) {
    guard let parameters = body["parameters"], parameters != .null else { return }
    guard let members = parameters.members else {
      throw .invalidRequest(reason: "'parameters' must be an object, not \(parameters.kind)")
    }
    for member in members where !allowed.contains(member.name) {
      if member.name == "config" || member.name.hasPrefix("file:") {
        throw .invalidRequest(
          reason:
            "load parameter '\(member.name)' is not supported: upload files with PUT, models carry their own configuration"
        )
      }
      throw .invalidRequest(reason: "Unrecognized load parameter '\(member.name)'")
    }
  }
}
