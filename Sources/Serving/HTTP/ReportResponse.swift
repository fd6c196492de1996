import Compression
import HTTPTransport

/// A report as the client wants it: JSON, or a page for people.
enum ReportResponse {
  /// - Parameter json: the report as the job's process wrote it.
  /// - Returns: nil when the client does not ask for a page, or the report is none that this version can read, as
  ///   those of other versions may be.
  static func page(_ json: [UInt8], for head: RequestHead) -> Response? {
    guard AcceptHeader.prefersHTML(head.headers), let report = try? Report(decoding: json) else { return nil }
    let headers: HTTPHeaders = [
      "content-type": "text/html; charset=utf-8", "vary": "accept",
      // The page holds names that a model's author chose. All is escaped; this is the second lock.
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "x-content-type-options": "nosniff",
    ]
    return Response(status: 200, headers: headers, body: .bytes(ReportPage.html(report)))
  }
}
