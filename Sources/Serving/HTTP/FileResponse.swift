import HTTPTransport

/// A file as a response: whole or one range (RFC 9110 sections 13 and 14).
enum FileResponse {
  static func make(_ file: OpenFile, named name: String, for head: RequestHead) -> Response {
    let etag = "\"\(file.etag)\""
    var headers: HTTPHeaders = [
      "etag": etag, "accept-ranges": "bytes", "content-type": contentType(of: name),
    ]
    if let known = head.headers["if-none-match"], matches(known, etag) {
      return Response(status: 304, headers: headers)
    }
    // A range of another state of the file would not fit what the client has.
    let isCurrent = head.headers["if-range"].map { $0 == etag } ?? true
    var range = 0..<file.size
    var status = 200
    if isCurrent, let text = head.headers["range"] {
      switch ByteRange.parse(text, size: file.size) {
      case .whole: break
      case .part(let part):
        range = part
        status = 206
        headers.add("content-range", "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.size)")
      case .unsatisfiable:
        return .error(
          status: 416, "the file has \(file.size) bytes", headers: ["content-range": "bytes */\(file.size)"])
      }
    }
    guard let descriptor = file.takeDescriptor() else {
      return .error(.storage(reason: "the file is closed"))
    }
    let body = FileRange(descriptor: descriptor, offset: range.lowerBound, length: range.count)
    return Response(status: status, headers: headers, body: .file(body))
  }

  /// The whole file, for a response that nobody asks for again.
  static func whole(_ file: OpenFile, named name: String) -> Response {
    guard let descriptor = file.takeDescriptor() else {
      return .error(.storage(reason: "the file is closed"))
    }
    return Response(
      status: 200, headers: ["content-type": contentType(of: name)],
      body: .file(FileRange(descriptor: descriptor, length: file.size)))
  }

  private static func matches(_ list: String, _ etag: String) -> Bool {
    list.split(separator: ",").contains { item in
      let item = item.drop { $0 == " " }
      let trimmed = item.hasPrefix("W/") ? item.dropFirst(2) : item
      return trimmed == "*" || trimmed.prefix(etag.count) == etag
    }
  }

  private static func contentType(of name: String) -> String {
    if name.hasSuffix(".json") { return "application/json" }
    if name.hasSuffix(".txt") { return "text/plain; charset=utf-8" }
    return "application/octet-stream"
  }
}

/// What a `Range` header asks for.
enum ByteRange: Equatable {
  /// No range, several ranges or another unit: all of it, which is always a right answer.
  case whole
  case part(Range<Int>)
  case unsatisfiable

  static func parse(_ text: String, size: Int) -> ByteRange {
    guard text.hasPrefix("bytes="), !text.contains(",") else { return .whole }
    let parts = text.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return .whole }
    let (first, last) = (number(parts[0]), number(parts[1]))
    switch (first, last) {
    case (let first?, let last?):
      if last < first { return .whole }
      return first < size ? .part(first..<min(last, size - 1) + 1) : .unsatisfiable
    case (let first?, nil) where parts[1].isEmpty:
      return first < size ? .part(first..<size) : .unsatisfiable
    case (nil, let last?) where parts[0].isEmpty:
      return last > 0 && size > 0 ? .part(max(size - last, 0)..<size) : .unsatisfiable
    default: return .whole
    }
  }

  private static func number(_ text: Substring) -> Int? {
    let isNumber =
      !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    return isNumber ? Int(text) : nil
  }
}
