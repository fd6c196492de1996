import Testing

@testable import Serving

@Suite struct HTTPRepositoryTests {
  let server: TestServer

  init() throws { server = try TestServer.shared.get() }

  @Test func healthAndMetadata() throws {
    #expect(try server.get("/v2/health/live").text == #"{"live":true}"#)
    #expect(try server.get("/v2/health/ready").text == #"{"ready":true}"#)
    #expect(try server.get("/v2").json["name"] == "adze")
    #expect(try server.get("/").text.contains("/v2/models/{model}/infer"))
    #expect(try server.get("/v2/logging").json["log_format"] == "ISO8601")
    let head = try server.get("/v2/health/live", "--head")
    #expect(head.status == 200)
    #expect(head.body.isEmpty)
  }

  @Test func notFoundAndNotAllowed() throws {
    let unknown = try server.get("/v2/nothing")
    #expect(unknown.status == 404)
    #expect(unknown.text == #"{"error":"Not Found"}"#)
    #expect(unknown.headers["content-type"] == "application/json")
    let wrong = try server.delete("/v2/models/m/infer")
    #expect(wrong.status == 405)
    #expect(wrong.error == "Method Not Allowed")
    #expect(wrong.headers["allow"] == "POST")
  }

  @Test func uploadDescribeDownloadDelete() throws {
    let upload = try server.put("/v2/repository/models/whole", TestModel.bytes)
    #expect(upload.status == 201)
    #expect(upload.headers["location"] == "/v2/models/whole/versions/1")
    #expect(try upload.json["version"] == "1")
    #expect(try upload.json["bytes"] == .int(TestModel.bytes.count))
    #expect(try upload.json["state"] == "READY")
    #expect(try upload.json["sha256"]?.string?.count == 64)

    let metadata = try server.get("/v2/models/whole")
    #expect(
      metadata.text
        == #"{"name":"whole","versions":["1"],"platform":"adze_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,4]},{"name":"positive","datatype":"FP32","shape":[-1,4]}],"parameters":{"max_batch_size":64}}"#
    )
    #expect(try server.get("/v2/models/whole/ready").json["ready"] == true)
    let configuration = try server.get("/v2/models/whole/config").json
    #expect(configuration["input"]?.array?[0]["dims"] == [4])
    #expect(configuration["input"]?.array?[0]["data_type"] == "TYPE_FP32")
    #expect(configuration["max_batch_size"] == 64)
    #expect(try server.get("/v2/models").json["models"]?.array?.contains("whole") == true)

    let path = "/v2/repository/models/whole/versions/1/files/model.onnx"
    let file = try server.get(path)
    #expect(file.body == TestModel.bytes)
    let etag = try #require(file.headers["etag"])
    #expect(try server.get(path, "-H", "If-None-Match: \(etag)").status == 304)
    let part = try server.get(path, "-r", "2-5")
    #expect(part.status == 206)
    #expect(part.headers["content-range"] == "bytes 2-5/\(TestModel.bytes.count)")
    #expect(part.body == Array(TestModel.bytes[2...5]))
    #expect(try server.get(path, "-r", "2-5", "-H", "If-Range: \"other\"").status == 200)
    #expect(try server.get(path, "-r", "99999999-").status == 416)
    #expect(try server.get("/v2/repository/models/whole/versions/1/files/..%2Fmanifest.json").status == 400)
    #expect(try server.get("/v2/repository/models/whole/versions/1/files/other.bin").status == 404)

    #expect(try server.delete("/v2/repository/models/whole").status == 200)
    #expect(try server.get("/v2/models/whole").status == 404)
    #expect(try server.delete("/v2/repository/models/whole").status == 404)
  }

  @Test func versions() throws {
    try server.uploadModel("many")
    #expect(try server.put("/v2/repository/models/many?version=5", TestModel.bytes).json["version"] == "5")
    #expect(try server.put("/v2/repository/models/many?version=5", TestModel.bytes).status == 409)
    #expect(try server.put("/v2/repository/models/many?version=x", TestModel.bytes).status == 400)
    #expect(
      try server.put("/v2/repository/models/many?versoin=6", TestModel.bytes).error.contains("'versoin'"))
    #expect(try server.get("/v2/models/many").json["versions"] == ["1", "5"])
    #expect(try server.get("/v2/models/many/versions/1").json["versions"] == ["1"])
    #expect(try server.post("/v2/models/many/infer", TestModel.request()).json["model_version"] == "5")
    let chosen = try server.post(
      "/v2/models/many/infer", TestModel.request(more: #","parameters":{"variant":1}"#))
    #expect(try chosen.json["model_version"] == "1")
    #expect(try server.delete("/v2/repository/models/many/versions/5").status == 200)
    #expect(try server.post("/v2/models/many/infer", TestModel.request()).json["model_version"] == "1")
    #expect(try server.delete("/v2/repository/models/many?version=1").status == 200)
  }

  @Test func badUploads() throws {
    for bytes: [UInt8] in [[], Array("no model".utf8), Array(TestModel.bytes.dropLast(20))] {
      let reply = try server.put("/v2/repository/models/bad", bytes)
      #expect(reply.status == 400, "\(reply.text)")
      #expect(!reply.error.contains(server.directory))
    }
    #expect(try server.get("/v2/models/bad").status == 404)
    for name in ["..%2f..%2fetc", "a%00b", ".hidden", String(repeating: "x", count: 200), "a%2Fb", "%"] {
      #expect(try server.put("/v2/repository/models/\(name)", TestModel.bytes).status == 400)
    }
  }

  @Test func indexLoadUnload() throws {
    try server.uploadModel("control")
    let row = { [server] in
      try server.curl("/v2/repository/index", "-X", "POST").json.array?.first { $0["name"] == "control" }
    }
    #expect(try row()?["state"] == "READY")
    #expect(
      try server.post("/v2/repository/models/control/unload", #"{"parameters":{"unload_dependents":false}}"#)
        .json["unload"] == true)
    #expect(try row()?["state"] == "UNAVAILABLE")
    #expect(try server.get("/v2/models/control/ready").status == 503)
    #expect(try server.post("/v2/models/control/infer", TestModel.request()).status == 503)
    #expect(try server.post("/v2/models/control/versions/1/infer", TestModel.request()).status == 503)
    #expect(try server.post("/v2/repository/models/control/load", "").json["load"] == true)
    #expect(try server.get("/v2/models/control/ready").status == 200)
    #expect(
      try server.post("/v2/repository/models/control/load", #"{"parameters":{"config":"{}"}}"#).error
        .contains("'config'"))
    #expect(
      try server.post("/v2/repository/models/control/load", #"{"parameters":{"p":"x"}}"#).error.contains(
        "Unrecognized load parameter 'p'"))
    #expect(try server.post("/v2/repository/models/nobody/load", "").status == 404)
    #expect(try server.post("/v2/repository/models/nobody/unload", "").status == 200)
    #expect(try server.post("/v2/repository/index", #"{"ready":1}"#).status == 400)
    #expect(try server.post("/v2/repository/index", #"{"rady":true}"#).error.contains("'rady'"))
  }

  @Test func statisticsAndMetrics() throws {
    try server.uploadModel("counted")
    for _ in 0..<3 {
      _ = try server.post("/v2/models/counted/infer", TestModel.request([Float](repeating: 0, count: 8)))
    }
    let statistics = try #require(
      try server.get("/v2/models/counted/stats").json["model_stats"]?.array?.first)
    #expect(statistics["inference_count"] == 6)
    #expect(statistics["execution_count"] == 3)
    #expect(statistics["inference_stats"]?["success"]?["count"] == 3)
    #expect(statistics["inference_stats"]?["cache_hit"]?["count"] == 0)
    #expect(statistics["batch_stats"]?.array?.first?["batch_size"] == 2)
    #expect(try server.get("/v2/models/nobody/stats").error == "requested model 'nobody' is not available")
    #expect(try server.get("/v2/models/stats").json["model_stats"]?.array?.isEmpty == false)

    let metrics = try server.get("/metrics")
    #expect(metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    let lines = Set(metrics.text.split(separator: "\n"))
    for line in [
      #"nv_inference_count{model="counted",version="1"} 6"#,
      #"nv_inference_request_success{model="counted",version="1"} 3"#,
      #"adze_batch_size_bucket{model="counted",version="1",le="2"} 3"#,
      #"adze_batch_size_sum{model="counted",version="1"} 6"#,
      #"nv_inference_request_duration_histogram_us_count{model="counted",version="1"} 3"#,
    ] { #expect(lines.contains(Substring(line)), "\(line)") }
    #expect(metrics.text.contains("adze_http_requests_total{http=\"1.1\"}"))
    #expect(metrics.text.contains("process_resident_memory_bytes"))
  }
}
