/// A parsed HTTP/1.1 request head with what its fields mean for the connection.
struct HTTP1Request {
  enum Framing: Equatable {
    case none
    case length(Int)
    case chunked
  }

  var head: RequestHead
  var framing: Framing
  /// Whether the connection may carry another request afterwards.
  var keepsAlive: Bool
  var expectsContinue: Bool
  /// The payload of `HTTP2-Settings`, when the client asked for HTTP/2 in a well-formed way.
  var http2Settings: [UInt8]?
}
