import HTTPTransport

/// What a client wants to read (RFC 9110 section 12.5.1).
enum AcceptHeader {
  /// True when `Accept` names HTML and nothing tells that JSON is liked better: a browser, not a program that takes
  /// whatever comes (`*/*`).
  static func prefersHTML(_ headers: HTTPHeaders) -> Bool {
    var html: Double?
    var json: Double?
    for value in headers.all("accept") {
      for range in value.split(separator: ",") {
        let (type, quality) = parse(range)
        switch type {
        case "text/html": html = max(html ?? 0, quality)
        case "application/json": json = max(json ?? 0, quality)
        default: break
        }
      }
    }
    guard let html, html > 0 else { return false }
    return html >= json ?? 0
  }

  /// A media range in lower case and its weight; one that cannot be read counts as 0, unwanted.
  private static func parse(_ range: Substring) -> (type: String, quality: Double) {
    let parts = range.split(separator: ";").map { part in
      String(part.filter { $0 != " " && $0 != "\t" }).lowercased()
    }
    let weight = parts.dropFirst().first { $0.hasPrefix("q=") }
    let quality = weight.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
    return (parts.first ?? "", (0...1).contains(quality) ? quality : 0)
  }
}
