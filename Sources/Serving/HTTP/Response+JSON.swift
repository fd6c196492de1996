import HTTPTransport

extension Response {
  static func json(_ value: JSONValue, status: Int = 200, headers: HTTPHeaders = .init()) -> Response {
    json(bytes: value.bytes, status: status, headers: headers)
  }

  /// - Parameter bytes: a JSON text.
  static func json(bytes: [UInt8], status: Int = 200, headers: HTTPHeaders = .init()) -> Response {
    var headers = headers
    // Exactly this: some clients show an error's text only when nothing follows the media type.
    headers.add("content-type", "application/json")
    return Response(status: status, headers: headers, body: .bytes(bytes))
  }

  static func error(status: Int, _ text: String, headers: HTTPHeaders = .init()) -> Response {
    json(["error": .string(text)], status: status, headers: headers)
  }

  static func error(_ error: ServingError) -> Response {
    var headers = HTTPHeaders()
    if let seconds = error.retryAfterSeconds { headers.add("retry-after", String(seconds)) }
    return Response.error(status: error.httpStatus, error.httpText, headers: headers)
  }
}
