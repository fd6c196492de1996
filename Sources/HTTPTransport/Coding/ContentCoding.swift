/// The coding of a request body.
enum ContentCoding: Equatable {
  case identity
  /// gzip, or deflate in its zlib form.
  case deflated
  case unknown(String)

  /// Reads `Content-Encoding`; more than one coding counts as unknown.
  static func of(_ headers: HTTPHeaders) -> ContentCoding {
    let values = headers.all("content-encoding")
    guard let value = values.first else { return .identity }
    guard values.count == 1 else { return .unknown(values.joined(separator: ", ")) }
    switch value.lowercased() {
    case "", "identity": return .identity
    case "gzip", "x-gzip", "deflate": return .deflated
    default: return .unknown(value)
    }
  }
}
