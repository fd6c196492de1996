/// Reads `Accept-Encoding` (RFC 9110 section 12.5.3).
enum AcceptEncoding {
  /// Whether the client takes gzip. Without the header it does not: many simple clients would not undo it.
  static func allowsGzip(_ values: [String]) -> Bool {
    var wildcard = false
    for item in values.flatMap({ $0.split(separator: ",") }) {
      let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
      guard let name = parts.first else { continue }
      let isAllowed = !parts.dropFirst().contains(where: isZeroQuality)
      if name == "gzip" || name == "x-gzip" { return isAllowed }
      if name == "*" { wildcard = isAllowed }
    }
    return wildcard
  }

  /// `q=0`, `q=0.0`, `q=0.000`.
  private static func isZeroQuality(_ parameter: String) -> Bool {
    guard parameter.hasPrefix("q=0") else { return false }
    return parameter.dropFirst(3).allSatisfy { $0 == "." || $0 == "0" }
  }
}
