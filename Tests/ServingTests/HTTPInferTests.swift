import Tensors
import Testing

@testable import Serving

@Suite struct HTTPInferTests {
  let server: TestServer

  private static let upload = Result { try TestServer.shared.get().uploadModel("sum") }

  init() throws {
    server = try TestServer.shared.get()
    try Self.upload.get()
  }

  @Test(arguments: ["--http1.1", "--http2-prior-knowledge", "--http2"]) func jsonOverEveryVersion(
    version: String
  ) throws {
    let reply = try server.post("/v2/models/sum/infer", TestModel.request(more: #","id":"7""#), version)
    #expect(reply.status == 200)
    #expect(reply.headers["content-type"] == "application/json")
    #expect(
      reply.text
        == #"{"id":"7","model_name":"sum","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,4],"data":[2.0,4.0,6.0,0.0]},{"name":"positive","datatype":"FP32","shape":[1,4],"data":[1.0,2.0,3.0,0.0]}]}"#
    )
  }

  @Test func oneOutputOfAVersion() throws {
    let reply = try server.post(
      "/v2/models/sum/versions/1/infer", TestModel.request(more: #","outputs":[{"name":"positive"}]"#))
    #expect(
      reply.text.contains(
        #""outputs":[{"name":"positive","datatype":"FP32","shape":[1,4],"data":[1.0,2.0,3.0,0.0]}]"#))
  }

  @Test func manyRowsAndNone() throws {
    let many = try server.post(
      "/v2/models/sum/infer", TestModel.request([Float](repeating: 1, count: 4 * 200)))
    #expect(try many.json["outputs"]?.array?[0]["shape"] == [200, 4])
    let none = try server.post("/v2/models/sum/infer", TestModel.request([]))
    #expect(try none.json["outputs"]?.array?[0]["shape"] == [0, 4])
  }

  static let floats: [UInt8] = [1, 2, 3, -4].flatMap { (value: Float) in
    withUnsafeBytes(of: value) { Array($0) }
  }

  @Test func binaryBothWays() throws {
    let json =
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#
    let reply = try server.curl(
      "/v2/models/sum/infer", "--data-binary", "@-", "-H",
      "Inference-Header-Content-Length: \(json.utf8.count)",
      input: Array(json.utf8) + Self.floats)
    #expect(reply.status == 200)
    #expect(reply.headers["content-type"] == "application/octet-stream")
    let header = try #require(reply.headers["inference-header-content-length"].flatMap { Int($0) })
    let values = reply.body[header...].withUnsafeBytes { bytes in
      (0..<4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    #expect(values == [2, 4, 6, 0])
  }

  @Test func rawRequest() throws {
    let reply = try server.curl(
      "/v2/models/sum/infer", "--data-binary", "@-", "-H", "Inference-Header-Content-Length: 0",
      input: Self.floats)
    #expect(reply.status == 200)
    let header = try #require(reply.headers["inference-header-content-length"].flatMap { Int($0) })
    #expect(reply.body.count == header + 32)
  }

  @Test func compressedBody() throws {
    let path = RunDirectory.path("request.json")
    try writeFile(Array(TestModel.request().utf8), to: path)
    let zipped = try Curl.shell("gzip -c \(path)").output
    let reply = try server.curl(
      "/v2/models/sum/infer", "--data-binary", "@-", "-H", "Content-Encoding: gzip", input: zipped)
    #expect(reply.status == 200)
  }

  @Test(arguments: [
    (#"{"inputs": ["#, "found the end"), ("", "expected an object"),
    (#"{"inputs":[]}"#, "missing required input(s) ['x']"),
    (
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"INT64","data":[1,2,3,4]}]}"#,
      "inference input 'x' data-type is 'INT64'"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#,
      "unexpected shape for input 'x'"
    ),
    (
      #"{"inputs":[{"name":"z","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}"#,
      "unexpected inference input 'z'"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}],"parameters":{"variant":true}}"#,
      "'variant'"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}],"parameters":{"variant":"none"}}"#,
      "'none'"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}],"id":"q","outputs":[{"name":"w"}]}"#,
      "[request id: q] unexpected inference output 'w'"
    ),
  ]) func badRequests(body: String, text: String) throws {
    let reply = try server.post("/v2/models/sum/infer", body)
    #expect(reply.status == 400)
    #expect(reply.headers["content-type"] == "application/json")
    #expect(reply.error.contains(text), "\(reply.error)")
  }

  @Test func deepNestingIsRefused() throws {
    let reply = try server.post("/v2/models/sum/infer", String(repeating: "[", count: 100_000))
    #expect(reply.status == 400)
    let nested =
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":"#
      + String(repeating: "[", count: 100_000)
    #expect(try server.post("/v2/models/sum/infer", nested).error.contains("nested deeper than 64"))
  }

  @Test(arguments: ["-1", "99999", "x", "1.5"]) func badHeaderLength(length: String) throws {
    let reply = try server.post(
      "/v2/models/sum/infer", "{}", "-H", "Inference-Header-Content-Length: \(length)")
    #expect(reply.status == 400)
    #expect(reply.error.contains("inference header size should be in range"))
  }

  @Test func unknownNames() throws {
    let unknown = try server.post("/v2/models/nobody/infer", TestModel.request())
    #expect(unknown.status == 404)
    #expect(unknown.error == "Request for unknown model: 'nobody' is not found")
    #expect(
      try server.post("/v2/models/sum/versions/77/infer", TestModel.request()).error
        == "Request for unknown model: 'sum' version 77 is not found")
    #expect(try server.post("/v2/models/..%2Fetc/infer", "{}").status == 400)
    #expect(try server.post("/v2/models/sum/versions/0/infer", "{}").status == 400)
  }

  @Test func timeoutOfTheRequest() throws {
    let reply = try server.post(
      "/v2/models/sum/infer",
      TestModel.request(more: #","parameters":{"timeout":60000000,"priority":1,"own":"x"}"#))
    #expect(reply.status == 200)
  }
}
