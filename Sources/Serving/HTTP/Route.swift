import HTTPTransport

/// One endpoint: a method, a path, how its body is taken, and what answers it.
struct Route: Sendable {
  let method: String
  /// Segments; `{name}` stands for any one segment.
  let path: String
  let body: BodyKind
  let work: Work

  enum Work: Sendable {
    /// Answers on the event loop: looks things up in memory, nothing more.
    case inline(@Sendable (Call) throws(ServingError) -> Response)
    /// Answers on a queue of its own: may touch disk or database.
    case blocking(@Sendable (Call) throws(ServingError) -> Response)
    /// Starts on the event loop and sees to the answer itself.
    case exchange(@Sendable (Call) throws(ServingError) -> Void)
  }

  static func get(_ path: String, _ work: Work) -> Route {
    Route(method: "GET", path: path, body: .none, work: work)
  }
  static func delete(_ path: String, _ work: Work) -> Route {
    Route(method: "DELETE", path: path, body: .none, work: work)
  }
  static func post(_ path: String, _ body: BodyKind, _ work: Work) -> Route {
    Route(method: "POST", path: path, body: body, work: work)
  }
  static func put(_ path: String, _ body: BodyKind, _ work: Work) -> Route {
    Route(method: "PUT", path: path, body: body, work: work)
  }
}

/// What kind of body an endpoint takes; each has its limit in the configuration.
enum BodyKind: Sendable {
  /// None is expected; a small one is ignored.
  case none
  case json
  case inference
  case model
  case dataset

  static let ignoredBytes = 64 << 10

  func mode(_ configuration: ServingConfiguration) -> BodyMode {
    switch self {
    case .none: .buffered(limit: Self.ignoredBytes)
    case .json: .buffered(limit: configuration.maximumJSONBodyBytes)
    case .inference: .buffered(limit: configuration.maximumInferenceBodyBytes)
    case .model: .streamed(limit: configuration.maximumModelBytes)
    case .dataset: .streamed(limit: configuration.maximumDatasetBytes)
    }
  }
}
