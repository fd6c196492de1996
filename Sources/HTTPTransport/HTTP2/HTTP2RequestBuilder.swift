/// Collects the fields of one HTTP/2 request. libnghttp2 has checked their form and order (RFC 9113 section 8).
struct HTTP2RequestBuilder {
  private let limits: HeadLimits
  private var method = ""
  private var target: RequestTarget?
  private var authority: String?
  private var headers = HTTPHeaders()
  private var bytes = 0
  private var failure: RequestFailure?

  init(limits: HeadLimits) {
    self.limits = limits
    headers.reserve(fields: 8, bytes: 128)
  }

  /// Takes a field. False when the client goes on far beyond the limits, and is not worth an answer.
  mutating func add(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
    // 32 bytes a field are what RFC 9113 section 6.5.2 counts for it.
    bytes += name.count + value.count + 32
    if name.first == UInt8(ascii: ":") {
      addPseudo(name, value)
      return bytes <= limits.headerBytes * 4 + limits.requestLineBytes
    }
    if bytes > limits.headerBytes + limits.requestLineBytes || headers.count >= limits.headerCount {
      fail(RequestFailure(status: 431, reason: "the header fields are too many or too large"))
    }
    if failure == nil { headers.add(name: name, value: value) }
    return bytes <= limits.headerBytes * 4 + limits.requestLineBytes
  }

  private mutating func addPseudo(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if name.equalsIgnoringCase(":path") {
      guard value.count <= limits.requestLineBytes else {
        return fail(
          RequestFailure(status: 414, reason: "the path is longer than \(limits.requestLineBytes) bytes"))
      }
      do {
        target = try RequestTarget.parse(value, isOptions: method == "OPTIONS")
      } catch {
        fail(error)
      }
    } else if name.equalsIgnoringCase(":method") {
      guard value.count <= 32 else {
        return fail(.malformed("the method is not a token of at most 32 characters"))
      }
      method = String(decoding: value, as: UTF8.self)
    } else if name.equalsIgnoringCase(":authority") {
      authority = String(decoding: value, as: UTF8.self)
    }
  }

  private mutating func fail(_ failure: RequestFailure) {
    if self.failure == nil { self.failure = failure }
  }

  /// The request, and why it is refused if it is.
  func finish(hasBody: Bool) -> (head: RequestHead, failure: RequestFailure?) {
    var failure = failure
    if failure == nil, method == "CONNECT" {
      failure = RequestFailure(status: 501, reason: "this server is no proxy")
    }
    let host = headers["host"]
    if failure == nil, let authority, let host, host != authority {
      failure = .malformed("host and :authority differ")
    }
    if failure == nil, let expectation = headers["expect"], expectation.lowercased() != "100-continue" {
      failure = RequestFailure(status: 417, reason: "only 100-continue can be expected")
    }
    let head = RequestHead(
      method: method, path: target?.path ?? "/", query: target?.query, headers: headers, version: .http2,
      contentLength: hasBody ? headers["content-length"].flatMap(Int.init) : 0, authority: authority ?? host)
    return (head, failure)
  }
}
