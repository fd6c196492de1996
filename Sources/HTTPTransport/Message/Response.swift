/// A whole response. The transport adds `date`, `content-length` and the framing headers itself.
public struct Response: Sendable {
  public var status: Int
  public var headers: HTTPHeaders
  public var body: ResponseBody

  public init(status: Int, headers: HTTPHeaders = .init(), body: ResponseBody = .none) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// Status and headers of a response whose body is streamed.
public struct ResponseHead: Sendable {
  public var status: Int
  public var headers: HTTPHeaders

  public init(status: Int, headers: HTTPHeaders = .init()) {
    self.status = status
    self.headers = headers
  }
}

public enum ResponseBody: Sendable {
  case none
  case bytes([UInt8])
  /// Read in pieces while it is sent; never held in memory as a whole.
  case file(FileRange)

  /// Bytes in the body.
  public var count: Int {
    switch self {
    case .none: 0
    case .bytes(let bytes): bytes.count
    case .file(let range): range.length
    }
  }
}
