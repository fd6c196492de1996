import Compression
import GraphIR
import Tensors
import Testing

@testable import Serving

@Suite struct HTTPJobTests {
  let server: TestServer

  private static let upload = Result { try TestServer.shared.get().uploadModel("recipes") }

  init() throws { server = try TestServer.shared.get() }

  @Test func compressMakesAVersion() throws {
    try server.uploadModel("squeezed")
    let reply = try server.post("/v2/models/squeezed/compress", #"{"preset":"safe","label":"tiny"}"#)
    #expect(reply.status == 202, "\(reply.text)")
    let location = try #require(reply.headers["location"])
    let job = try server.endedJob(location)
    #expect(job["state"] == "done", "\(job)")
    #expect(job["version"] == 2)
    #expect(job["progress"] == .double(1))
    #expect(job["report"]?["note"] == "copied")
    #expect(try server.get("/v2/models/squeezed/versions/2/report").json["note"] == "copied")
    #expect(try server.get("/v2/models/squeezed/versions/1/report").status == 404)
    let chosen = try server.post(
      "/v2/models/squeezed/infer", TestModel.request(more: #","parameters":{"variant":"tiny"}"#))
    #expect(try chosen.json["model_version"] == "2")
    let jobs = try server.get("/v2/jobs?limit=1000").json["jobs"]?.array ?? []
    #expect(jobs.contains { $0["id"] == job["id"] && $0["report"] == nil })

    let events = try server.get(location + "/events")
    #expect(events.headers["content-type"] == "text/event-stream; charset=utf-8")
    #expect(events.text.hasPrefix("event: done\ndata: {\"id\":"))
    // One event, whatever line breaks the report has.
    #expect(events.text.hasSuffix("}\n\n") && events.text.dropLast(2).contains("\n\n") == false)
    #expect(events.text.split(separator: "\n").dropFirst().allSatisfy { $0.hasPrefix("data: ") })
  }

  @Test(arguments: [
    (#"{"steps":[{"prune":{"method":"guess"}}]}"#, "guess"), (#"{"steps":[{"shrink":{}}]}"#, "shrink"),
    ("[", ""),
    (#"{"preset":"tiny"}"#, "tiny"), (#"{"preset":"safe","evaluation":{"dataset":"nobody"}}"#, "nobody"),
  ]) func badRecipes(body: String, text: String) throws {
    try Self.upload.get()
    let reply = try server.post("/v2/models/recipes/compress", body)
    #expect((400..<500).contains(reply.status))
    #expect(reply.error.contains(text), "\(reply.error)")
  }

  @Test func eventsFollowAJobToItsEnd() throws {
    try server.uploadModel("followed")
    let reply = try server.post("/v2/models/followed/compress", #"{"preset":"safe"}"#)
    let location = try #require(reply.headers["location"])
    let events = try server.get(location + "/events")
    #expect(events.text.contains("event: done\n"))
  }

  @Test func failedJobSaysWhy() throws {
    try server.uploadModel("failing")
    let reply = try server.post("/v2/models/failing/compress", #"{"preset":"safe","label":"fail"}"#)
    let job = try server.endedJob(reply.headers["location"])
    #expect(job["state"] == "failed")
    #expect(job["error"] == "the step failed")
    #expect(try server.get("/v2/models/failing/versions/2").status == 404)
  }

  @Test func cancelledJob() throws {
    let own = try TestServer()
    defer { own.stop() }
    try own.uploadModel("hanging")
    let reply = try own.post("/v2/models/hanging/compress", #"{"preset":"safe","label":"hang"}"#)
    let location = try #require(reply.headers["location"])
    #expect(try own.delete(location).status == 200)
    #expect(try own.endedJob(location)["state"] == "cancelled")
  }

  private static let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

  @Test func reportsAreReadByPeopleToo() throws {
    let input = CompressionInput(
      model: try TestModels.product(), fileBytes: 100, sourceSHA256: "00",
      recipe: try Recipe.parse(Array(#"{"preset":"safe","label":"reported"}"#.utf8)))
    let report = try Compressor.run(input) { _ in true }.report.encoded()
    try writeFile(report, to: server.directory + "/report.json")
    try server.uploadModel("readable")
    let reply = try server.post("/v2/models/readable/compress", #"{"preset":"safe","label":"reported"}"#)
    let location = try #require(reply.headers["location"])
    #expect(try server.endedJob(location)["state"] == "done")
    for path in ["/v2/models/readable/versions/2/report", location] {
      let page = try server.get(path, "-H", Self.browser)
      #expect(page.headers["content-type"] == "text/html; charset=utf-8")
      #expect(page.headers["vary"]?.contains("accept") == true)
      #expect(page.text.hasPrefix("<!DOCTYPE html>"))
      #expect(page.text.contains("<title>reported: compression report</title>"))
      #expect(!page.text.contains("<script"))
      for accept in ["*/*", "application/json, text/html;q=0.5", "text/html;q=0"] {
        let json = try server.get(path, "-H", "Accept: \(accept)")
        #expect(json.headers["content-type"] == "application/json", "\(accept)")
      }
    }
    #expect(try server.get("/v2/models/readable/versions/2/report").body == report)
  }

  @Test func reportsThatCannotBeReadAreJSON() throws {
    try server.uploadModel("unreadable")
    let reply = try server.post("/v2/models/unreadable/compress", #"{"preset":"safe"}"#)
    let location = try #require(reply.headers["location"])
    #expect(try server.endedJob(location)["state"] == "done")
    for path in ["/v2/models/unreadable/versions/2/report", location] {
      let answer = try server.get(path, "-H", Self.browser)
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "application/json")
      #expect(answer.text.contains("\"copied\""))
    }
  }

  @Test func jobsThatAreNotThere() throws {
    #expect(try server.get("/v2/jobs/999999").status == 404)
    #expect(try server.get("/v2/jobs/999999/events").status == 404)
    #expect(try server.delete("/v2/jobs/999999").status == 404)
    #expect(try server.get("/v2/jobs/x").status == 400)
    #expect(try server.get("/v2/jobs?limit=0").status == 400)
  }

  // MARK: One call

  @Test(arguments: ["--http1.1", "--http2-prior-knowledge"]) func oneCall(version: String) throws {
    let reply = try server.curl("/v2/compress?quantize=int8", version, "-T", "-", input: TestModel.bytes)
    #expect(reply.status == 200, "\(reply.text)")
    #expect(reply.body == TestModel.bytes)
    let location = try #require(reply.headers["location"])
    #expect(try server.get(location).json["kind"] == "one_call")
    #expect(try server.get(location).json["state"] == "done")
  }

  @Test func oneCallThatFails() throws {
    let failed = try server.put("/v2/compress?quantize=int8&label=fail", TestModel.bytes)
    #expect(failed.status == 422)
    #expect(failed.error == "the step failed")
    #expect(try server.put("/v2/compress?quantize=int9", TestModel.bytes).error.contains("int9"))
    #expect(try server.put("/v2/compress?squeeze=1", TestModel.bytes).status == 400)
  }

  @Test func oneCallWhoseClientGoesAway() throws {
    let own = try TestServer()
    defer { own.stop() }
    _ = try? own.curl(
      "/v2/compress?quantize=int8&label=hang", "-T", "-", "--max-time", "1", input: TestModel.bytes)
    #expect(try own.endedJob("/v2/jobs/1")["state"] == "cancelled")
  }

  // MARK: Datasets

  @Test func evaluate() throws {
    try server.uploadModel("judged")
    let path = RunDirectory.path("judged.npz")
    // Zeros in: the largest of [1, 2, 3, 4] comes out.
    try Npz.write(
      [
        (name: "x", tensor: try Tensor(type: .float32, shape: [3, 4])),
        (name: "labels", tensor: try Tensor(shape: [3], [3, 3, 0] as [Int64])),
      ], path: path)
    #expect(try server.curl("/v2/datasets/judged", "-T", path).status == 201)
    let reply = try server.post("/v2/models/judged/evaluate", #"{"dataset":"judged","metric":"accuracy"}"#)
    #expect(reply.status == 200, "\(reply.text)")
    #expect(try reply.json["value"] == .double(2.0 / 3))
    #expect(try reply.json["samples"] == 3)
    #expect(try server.post("/v2/models/judged/evaluate", #"{"dataset":"nobody"}"#).status == 404)
    #expect(try server.post("/v2/models/judged/evaluate", "{}").error.contains("'dataset'"))
    let metric = try server.post("/v2/models/judged/evaluate", #"{"dataset":"judged","metric":"beauty"}"#)
    #expect(metric.status == 400)
    #expect(metric.error.contains("'beauty' is not one of accuracy"))
  }

  @Test func datasets() throws {
    let path = RunDirectory.path("data.npz")
    try Npz.write(
      [
        (name: "x", tensor: try Tensor(type: .float32, shape: [3, 4])),
        (name: "labels", tensor: try Tensor(shape: [3], [0, 1, 2] as [Int64])),
      ], path: path)
    let upload = try server.curl("/v2/datasets/rows", "-T", path)
    #expect(upload.status == 201, "\(upload.text)")
    #expect(try upload.json["rows"] == 3)
    #expect(try upload.json["arrays"]?.array?.first == ["name": "x", "datatype": "FP32", "shape": [3, 4]])
    #expect(try server.get("/v2/datasets").json["datasets"]?.array?.contains { $0["name"] == "rows" } == true)
    #expect(try server.get("/v2/datasets/rows").json["read_only"] == false)
    #expect(try server.get("/v2/datasets/rows/file").body.count == upload.json["bytes"]?.int)
    #expect(try server.delete("/v2/datasets/rows").status == 200)
    #expect(try server.get("/v2/datasets/rows").status == 404)
    #expect(try server.put("/v2/datasets/bad", Array("no zip".utf8)).status == 400)
    #expect(try server.put("/v2/datasets/..%2Fbad", []).status == 400)
  }
}
