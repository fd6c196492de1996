import HTTPTransport

/// `GET …/report`: what the job that made a version did and measured; a page for clients that ask for `text/html`.
enum ReportEndpoint {
  static let routes: [Route] = [
    .get("/v2/models/{model}/versions/{version}/report", .blocking(report)),
    .get("/v2/models/{model}/report", .blocking(report)),
  ]

  private static func report(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    let version: Int
    if let asked = try call.version() {
      version = asked
    } else {
      version = try call.core.repository.servable(name).version
    }
    guard let report = try call.core.repository.report(name, version: version) else {
      return .error(
        status: 404, "version \(version) of model '\(name)' has no report: no compression job made it")
    }
    return ReportResponse.page(report, for: call.head) ?? .json(bytes: report, headers: ["vary": "accept"])
  }
}
