import Testing

@testable import Serving

@Suite struct HTTPRouterTests {
  static let router = Router(Endpoints.all)

  static func describe(_ method: String, _ path: String) throws -> String {
    switch router.match(method: method, try RequestTarget(path: path, query: nil).segments) {
    case .found(let route, let values):
      return ([route.path] + values.map { "\($0.name)=\($0.value)" }).joined(separator: " ")
    case .methodNotAllowed(let allowed): return "405 " + allowed.sorted().joined(separator: ",")
    case .notFound: return "404"
    }
  }

  @Test(arguments: [
    ("GET", "/", "/"), ("GET", "/v2", "/v2"), ("GET", "/v2/", "/v2"), ("GET", "/metrics/", "/metrics"),
    ("HEAD", "/v2/health/live", "/v2/health/live"), ("GET", "/v2/models/stats", "/v2/models/stats"),
    ("GET", "/v2/models/a", "/v2/models/{model} model=a"),
    ("GET", "/v2/models/a%2Fb", "/v2/models/{model} model=a/b"),
    ("GET", "/v2/models/stats/config", "/v2/models/{model}/config model=stats"),
    (
      "POST", "/v2/models/m/versions/3/infer", "/v2/models/{model}/versions/{version}/infer model=m version=3"
    ),
    (
      "DELETE", "/v2/repository/models/m/versions/3",
      "/v2/repository/models/{model}/versions/{version} model=m version=3"
    ),
    (
      "PUT", "/v2/repository/models/m/versions/3/files/w.bin",
      "/v2/repository/models/{model}/versions/{version}/files/{file} model=m version=3 file=w.bin"
    ),
    ("POST", "/v2/repository/index", "/v2/repository/index"), ("GET", "/v2/repository/index", "405 POST"),
    ("DELETE", "/v2/models/m/infer", "405 POST"), ("POST", "/v2/jobs/1", "405 DELETE,GET,HEAD"),
    ("GET", "/v3", "404"), ("GET", "/v2/models/m/infer/x", "404"), ("GET", "//v2", "404"),
    ("GET", "/v2//models", "404"),
    ("GET", "/v2/repository", "404"), ("GET", "/v2/models/m/versions/1/nothing", "404"),
  ]) func routes(method: String, path: String, expected: String) throws {
    #expect(try Self.describe(method, path) == expected)
  }

  @Test func everyRouteIsFoundByItsOwnPath() throws {
    for route in Endpoints.all {
      let path = String(route.path.map { $0 == "{" || $0 == "}" ? "x" : $0 })
      #expect(try Self.describe(route.method, path).hasPrefix(route.path), "\(route.path)")
    }
  }

  @Test func queriesAreDecoded() throws {
    let target = try RequestTarget(path: "/a", query: "x=1&y=a+b%26&z&=&%C3%A9=%2B")
    #expect(target.query("x") == "1")
    #expect(target.query("y") == "a b&")
    #expect(target.query("z") == "")
    #expect(target.query("é") == "+")
    #expect(target.query("w") == nil)
    #expect(throws: ServingError.self) { try target.checkQuery(only: ["x", "y"]) }
  }

  @Test func queryMembersComeOnce() throws {
    let target = try RequestTarget(path: "/a", query: "version=1&version=2")
    #expect(throws: ServingError.self) { try target.checkQuery(only: ["version"]) }
  }

  @Test(arguments: ["/%", "/%4", "/%zz", "/%ff", "/%c0%af"]) func brokenEscapes(path: String) {
    #expect(throws: ServingError.self) { _ = try RequestTarget(path: path, query: nil) }
  }

  @Test(arguments: [
    ("bytes=0-3", ByteRange.part(0..<4)), ("bytes=4-", .part(4..<10)), ("bytes=-3", .part(7..<10)),
    ("bytes=-30", .part(0..<10)),
    ("bytes=5-99", .part(5..<10)), ("bytes=9-9", .part(9..<10)), ("bytes=10-", .unsatisfiable),
    ("bytes=-0", .unsatisfiable),
    ("bytes=3-2", .whole), ("bytes=0-1,4-5", .whole), ("rows=0-1", .whole), ("bytes=a-b", .whole),
    ("bytes=-", .whole), ("bytes=+1-2", .whole),
    ("bytes=99999999999999999999-", .whole),
  ]) func ranges(text: String, expected: ByteRange) { #expect(ByteRange.parse(text, size: 10) == expected) }

  @Test func emptyFilesHaveNoRange() {
    #expect(ByteRange.parse("bytes=0-", size: 0) == .unsatisfiable)
    #expect(ByteRange.parse("bytes=-1", size: 0) == .unsatisfiable)
  }

  @Test func everyErrorHasAStatusOfItsKind() {
    let statuses: [(ServingError, Int)] = [
      (.invalidName(".."), 400), (.modelNotFound(name: "m"), 404),
      (.modelNotReady(name: "m", version: 1, reason: ""), 503),
      (.versionExists(name: "m", version: 1), 409), (.tooLarge(what: "x", limit: 1), 413),
      (.overloaded(reason: ""), 503),
      (.storageFull, 507), (.inference(reason: ""), 500), (.readOnly(name: "m", version: 1), 403),
    ]
    for (error, status) in statuses { #expect(error.httpStatus == status) }
    #expect(ServingError.overloaded(reason: "").retryAfterSeconds != nil)
    #expect(ServingError.modelNotFound(name: "m").httpText == "Request for unknown model: 'm' is not found")
  }
}
