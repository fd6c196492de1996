/// The decoded target of a request: path segments and query items.
struct RequestTarget: Sendable, Equatable {
  let segments: [String]
  let query: [QueryItem]

  struct QueryItem: Sendable, Equatable {
    let name: String
    let value: String
  }

  /// Splits first and decodes then, so that an encoded slash stays within its segment. One trailing slash is
  /// ignored.
  /// - Throws: `.invalidRequest` for a broken percent escape or text that is not UTF-8.
  init(path: String, query: String?) throws(ServingError) {
    var segments: [String] = []
    var rest = path.utf8.first == UInt8(ascii: "/") ? path.utf8.dropFirst() : path.utf8[...]
    if rest.last == UInt8(ascii: "/") { rest = rest.dropLast() }
    if !rest.isEmpty {
      for part in rest.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
        segments.append(try Self.decode(part, isQuery: false))
      }
    }
    self.segments = segments
    self.query = try Self.items(query ?? "")
  }

  private static func items(_ query: String) throws(ServingError) -> [QueryItem] {
    var items: [QueryItem] = []
    for part in query.utf8.split(separator: UInt8(ascii: "&")) {
      let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
      items.append(
        QueryItem(
          name: try decode(part[..<equals], isQuery: true),
          value: try decode(part[equals...].dropFirst(), isQuery: true)))
    }
    return items
  }

  private static func decode(_ text: Substring.UTF8View, isQuery: Bool) throws(ServingError) -> String {
    if !text.contains(UInt8(ascii: "%")), !isQuery || !text.contains(UInt8(ascii: "+")) {
      return String(Substring(text))
    }
    var bytes: [UInt8] = []
    var index = text.startIndex
    while index < text.endIndex {
      var byte = text[index]
      if byte == UInt8(ascii: "%") {
        guard let high = digit(text, after: &index), let low = digit(text, after: &index) else {
          throw .invalidRequest(reason: "the URL has a broken percent escape")
        }
        byte = high << 4 | low
      } else if isQuery, byte == UInt8(ascii: "+") {
        byte = UInt8(ascii: " ")
      }
      bytes.append(byte)
      index = text.index(after: index)
    }
    guard let decoded = String(validating: bytes, as: UTF8.self) else {
      throw .invalidRequest(reason: "the URL is not valid UTF-8")
    }
    return decoded
  }

  /// The hexadecimal digit behind `index`, which moves onto it.
  private static func digit(_ text: Substring.UTF8View, after index: inout Substring.UTF8View.Index) -> UInt8?
  {
    index = text.index(after: index)
    if index == text.endIndex { return nil }
    switch text[index] {
    case let byte where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
      return byte - UInt8(ascii: "0")
    case let byte where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20):
      return (byte | 0x20) - UInt8(ascii: "a") + 10
    default: return nil
    }
  }

  /// The value of a query item; nil when there is none of that name.
  func query(_ name: String) -> String? { query.first { $0.name == name }?.value }

  /// Throws unless every query item is one of `names`, each at most once.
  func checkQuery(only names: [String]) throws(ServingError) {
    for (index, item) in query.enumerated() {
      if !names.contains(item.name) {
        let allowed = names.isEmpty ? "none is known here" : "known here: " + names.joined(separator: ", ")
        throw .invalidRequest(reason: "unknown query member '\(item.name)' (\(allowed))")
      }
      if query[..<index].contains(where: { $0.name == item.name }) {
        throw .invalidRequest(reason: "query member '\(item.name)' is given twice")
      }
    }
  }
}
