import Dispatch

/// Compresses response bodies for clients that accept it.
final class ResponseCoding: Sendable {
  private let minimumBytes: Int
  private let level: Int
  /// Bodies above this size are not compressed on an event loop: it has other connections to serve.
  private let loopBytes = 32 << 10
  private let queue = DispatchQueue(label: "http.coding", attributes: .concurrent)

  init(minimumBytes: Int, level: Int) {
    self.minimumBytes = minimumBytes
    self.level = level
  }

  /// Calls `completion` with the response as it goes out: before returning, or from a queue when the calling
  /// thread is a loop and there is much to compress.
  func encode(
    _ response: Response, for head: RequestHead, isOnLoop: Bool,
    completion: @escaping @Sendable (Response) -> Void
  ) {
    guard level > 0, case .bytes(let bytes) = response.body, bytes.count >= minimumBytes,
      response.headers["content-encoding"] == nil, response.status != 206,
      Self.isCompressible(response.headers["content-type"])
    else { return completion(response) }
    var response = response
    response.headers.add("vary", "accept-encoding")
    guard AcceptEncoding.allowsGzip(head.headers.all("accept-encoding")) else { return completion(response) }
    if isOnLoop, bytes.count > loopBytes {
      let waiting = response
      queue.async { completion(self.compress(waiting, bytes)) }
    } else {
      completion(compress(response, bytes))
    }
  }

  private func compress(_ response: Response, _ bytes: [UInt8]) -> Response {
    guard let smaller = Gzip.compress(bytes, level: level) else { return response }
    var response = response
    response.headers.add("content-encoding", "gzip")
    response.body = .bytes(smaller)
    return response
  }

  /// Text and JSON.
  static func isCompressible(_ contentType: String?) -> Bool {
    guard let contentType else { return false }
    let type = contentType.prefix { $0 != ";" && $0 != " " }.lowercased()
    return type.hasPrefix("text/") || type == "application/json" || type.hasSuffix("+json")
  }
}
