/// `METHOD SP target SP HTTP/x.y`.
struct RequestLine: Equatable {
  var method: String
  var path: String
  var query: String?
  /// Only from an absolute target, `http://host/path`.
  var authority: String?
  var version: HTTPVersion

  static func parse(_ line: UnsafeRawBufferPointer) throws(RequestFailure) -> RequestLine {
    let space = UInt8(ascii: " ")
    guard let first = line.firstIndex(of: space), let last = line.lastIndex(of: space), first < last else {
      throw .malformed("the request line is not: method, target, version")
    }
    let method = UnsafeRawBufferPointer(rebasing: line[..<first])
    guard !method.isEmpty, method.count <= 32, method.allSatisfy(CharacterClass.isToken) else {
      throw .malformed("the method is not a token of at most 32 characters")
    }
    let version = try parseVersion(UnsafeRawBufferPointer(rebasing: line[(last + 1)...]))
    let name = String(decoding: method, as: UTF8.self)
    guard name != "CONNECT" else {
      throw RequestFailure(status: 501, reason: "this server is no proxy")
    }
    let target = try RequestTarget.parse(
      UnsafeRawBufferPointer(rebasing: line[(first + 1)..<last]), isOptions: name == "OPTIONS")
    return RequestLine(
      method: name, path: target.path, query: target.query, authority: target.authority, version: version)
  }

  private static func parseVersion(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) -> HTTPVersion {
    let prefix: StaticString = "HTTP/"
    guard bytes.count == 8, bytes[6] == UInt8(ascii: "."), CharacterClass.isDigit(bytes[5]),
      CharacterClass.isDigit(bytes[7]),
      (0..<5).allSatisfy({ bytes[$0] == prefix.utf8Start[$0] })
    else { throw .malformed("the request line does not end with a version") }
    switch (bytes[5], bytes[7]) {
    case (0x31, 0x31): return .http11
    case (0x31, 0x30): return .http10
    default: throw RequestFailure(status: 505, reason: "this connection speaks HTTP/1.0 and HTTP/1.1")
    }
  }
}

/// The target of a request: origin form `/path?query`, absolute form, or `*` for OPTIONS.
struct RequestTarget: Equatable {
  var path: String
  var query: String?
  var authority: String?

  static func parse(
    _ bytes: UnsafeRawBufferPointer, isOptions: Bool
  ) throws(RequestFailure) -> RequestTarget {
    guard bytes.allSatisfy(CharacterClass.isTarget) else {
      throw .malformed("the target has characters that are not allowed")
    }
    if bytes.first == UInt8(ascii: "/") { return split(bytes, authority: nil) }
    if isOptions, bytes.count == 1, bytes[0] == UInt8(ascii: "*") { return RequestTarget(path: "*") }
    return try parseAbsolute(bytes)
  }

  private static func parseAbsolute(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) -> RequestTarget {
    guard bytes.count > 7, UnsafeRawBufferPointer(rebasing: bytes[..<7]).equalsIgnoringCase("http://") else {
      throw .malformed("the target is neither a path nor an http URL")
    }
    let rest = UnsafeRawBufferPointer(rebasing: bytes[7...])
    let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.count
    guard end > 0 else { throw .malformed("the target has no host") }
    let authority = String(decoding: rest[..<end], as: UTF8.self)
    var target = split(UnsafeRawBufferPointer(rebasing: rest[end...]), authority: authority)
    if target.path.isEmpty { target.path = "/" }
    return target
  }

  private static func split(_ bytes: UnsafeRawBufferPointer, authority: String?) -> RequestTarget {
    guard let mark = bytes.firstIndex(of: UInt8(ascii: "?")) else {
      return RequestTarget(path: String(decoding: bytes, as: UTF8.self), query: nil, authority: authority)
    }
    return RequestTarget(
      path: String(decoding: bytes[..<mark], as: UTF8.self),
      query: String(decoding: bytes[(mark + 1)...], as: UTF8.self), authority: authority)
  }
}
