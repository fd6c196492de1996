/// What a request says before its body.
public struct RequestHead: Sendable {
  public let method: String
  /// As sent: still percent-encoded, without the query, beginning with `/` (or `*` alone for OPTIONS).
  public let path: String
  /// What follows the first `?`, still percent-encoded; nil when there is no `?`.
  public let query: String?
  public let headers: HTTPHeaders
  public let version: HTTPVersion
  /// The body's size on the wire, when the client told it. 0 when there is no body at all.
  public let contentLength: Int?
  /// Host and port that the client asked for (`:authority` or `Host`).
  public let authority: String?

  public init(
    method: String, path: String, query: String? = nil, headers: HTTPHeaders = .init(),
    version: HTTPVersion = .http11, contentLength: Int? = nil, authority: String? = nil
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.version = version
    self.contentLength = contentLength
    self.authority = authority
  }
}
