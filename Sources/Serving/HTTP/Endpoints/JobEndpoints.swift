import HTTPTransport

/// Jobs: listing, state with report, cancelling; a search ends with what it has.
enum JobEndpoints {
  static let routes: [Route] = [
    .get("/v2/jobs", .blocking(list)),
    .get("/v2/jobs/{job}", .blocking(job)),
    .delete(
      "/v2/jobs/{job}",
      .blocking { call throws(ServingError) in
        .json(bytes: try call.core.jobs.stop(try call.job()).json())
      }),
  ]

  private static let longestPage = 1000

  /// The job's state; its report as a page for clients that ask for `text/html`, once there is one.
  private static func job(_ call: Call) throws(ServingError) -> Response {
    let job = try call.core.jobs.store.job(try call.job())
    let page = job.report.flatMap { ReportResponse.page(Array($0.utf8), for: call.head) }
    return page ?? .json(bytes: job.json(), headers: ["vary": "accept"])
  }

  /// The newest first; `?before=id` pages on.
  private static func list(_ call: Call) throws(ServingError) -> Response {
    try call.target.checkQuery(only: ["limit", "before"])
    let limit = try number("limit", 1...Int64(longestPage), call) ?? 100
    let before = try number("before", 1...Int64.max, call) ?? .max
    let jobs = try call.core.jobs.store.list(limit: Int(limit), before: before)
    return .json(["jobs": .array(jobs.map { .text($0.json(includingReport: false)) })])
  }

  private static func number(
    _ name: String, _ range: ClosedRange<Int64>, _ call: Call
  ) throws(ServingError) -> Int64? {
    guard let text = call.target.query(name) else { return nil }
    guard let number = Int64(text), range.contains(number) else {
      throw .invalidRequest(
        reason: "query member '\(name)' must be a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }
}

extension Call {
  /// The path's job.
  /// - Throws: `.invalidRequest`.
  func job() throws(ServingError) -> Int64 {
    let text = value("job") ?? ""
    guard let id = Int64(text), id > 0, text.utf8.first != UInt8(ascii: "+") else {
      throw .invalidRequest(reason: "'\(text.prefix(64))' is not a job's number")
    }
    return id
  }
}
