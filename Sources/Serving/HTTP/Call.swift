import HTTPTransport
import Logging

/// One request on its way through an endpoint.
struct Call: Sendable {
  let exchange: Exchange
  let target: RequestTarget
  /// The path's segments that stood for `{name}`s.
  let values: [(name: String, value: String)]
  let context: ServingContext
  private let start = ContinuousClock.now

  init(
    exchange: Exchange, target: RequestTarget, values: [(name: String, value: String)],
    context: ServingContext
  ) {
    self.exchange = exchange
    self.target = target
    self.values = values
    self.context = context
  }

  var head: RequestHead { exchange.head }
  var core: ServingCore { context.core }
  var configuration: ServingConfiguration { core.configuration }

  func value(_ name: String) -> String? { values.first { $0.name == name }?.value }

  /// The path's model name.
  /// - Throws: `.invalidName`.
  func model() throws(ServingError) -> String { try checkedName("model") }

  /// The path's dataset name.
  /// - Throws: `.invalidName`.
  func dataset() throws(ServingError) -> String { try checkedName("dataset") }

  /// The path's version; nil when the path has none.
  /// - Throws: `.invalidName`.
  func version() throws(ServingError) -> Int? {
    guard let text = value("version") else { return nil }
    return try ResourceName.version(text)
  }

  /// The version that `?version=N` asks for.
  /// - Throws: `.invalidName`, `.invalidRequest` for other query members.
  func queryVersion() throws(ServingError) -> Int? {
    try target.checkQuery(only: ["version"])
    guard let text = target.query("version") else { return nil }
    return try ResourceName.version(text)
  }

  private func checkedName(_ parameter: String) throws(ServingError) -> String {
    let name = value(parameter) ?? ""
    try ResourceName.check(name)
    return name
  }

  /// The body as an object's members; none for an empty body. The content type does not matter: curl's `-d`
  /// says form data.
  /// - Throws: `.invalidRequest` with the place of the fault.
  func jsonBody(only names: [String]) throws(ServingError) -> JSONValue {
    if exchange.body.isEmpty { return .object([]) }
    let value: JSONValue
    do {
      value = try JSONValue.parse(exchange.body, maximumDepth: configuration.maximumJSONDepth)
    } catch {
      throw .invalidRequest(reason: "\(error)")
    }
    guard let members = value.members else {
      throw .invalidRequest(reason: "the body must be a JSON object, not \(value.kind)")
    }
    if let unknown = members.first(where: { !names.contains($0.name) }) {
      throw .invalidRequest(
        reason: "unknown member '\(unknown.name)' (known here: \(names.joined(separator: ", ")))")
    }
    return value
  }

  // MARK: Answer

  func respond(_ response: Response) {
    log(status: response.status)
    exchange.respond(response)
  }

  func respond(_ error: ServingError) { respond(.error(error)) }

  func stream(_ head: ResponseHead) -> ResponseStream {
    log(status: head.status)
    return exchange.stream(head)
  }

  /// The access log: one line a request.
  private func log(status: Int) {
    let logger = context.logger
    if logger.logLevel > .debug { return }
    let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
    logger.debug(
      "request",
      metadata: [
        "method": "\(head.method)", "path": "\(head.path)", "status": "\(status)",
        "http": "\(head.version == .http2 ? "2" : "1.1")", "milliseconds": "\(milliseconds)",
      ])
  }
}
