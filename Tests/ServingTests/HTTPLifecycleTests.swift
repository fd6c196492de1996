import Dispatch
import Glibc
import Testing

@testable import Serving

@Suite struct HTTPLifecycleTests {
  @Test func bodiesAreLimited() throws {
    let server = try TestServer { configuration in
      configuration.maximumInferenceBodyBytes = 1000
      configuration.maximumJSONBodyBytes = 100
      configuration.maximumModelBytes = 2000
      configuration.maximumDatasetBytes = 2000
    }
    defer { server.stop() }
    let large = [UInt8](repeating: 0x20, count: 3000)
    for path in ["/v2/models/m/infer", "/v2/models/m/compress"] {
      #expect(try server.curl(path, "--data-binary", "@-", input: large).status == 413)
    }
    for path in ["/v2/repository/models/m", "/v2/datasets/d", "/v2/compress?quantize=int8"] {
      for arguments in [["-T", "-"], ["-T", "-", "--http2-prior-knowledge"]] {
        let reply = try Curl.run(server.url(path), arguments, input: large)
        #expect(reply.status == 413, "\(path) \(arguments)")
        #expect(reply.headers["content-type"] == "application/json")
      }
    }
  }

  @Test func cutOffUploadLeavesNothing() throws {
    let server = try TestServer()
    defer { server.stop() }
    let head =
      "PUT /v2/repository/models/half HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 100000\\r\\n\\r\\nabc"
    _ = try Curl.shell(
      "(printf '\(head)'; sleep 0.2) | timeout 2 bash -c 'cat >/dev/tcp/127.0.0.1/\(server.server.port)'")
    usleep(300_000)
    #expect(try server.get("/v2/models/half").status == 404)
    #expect(
      try Curl.shell("find \(server.directory) -name 'model.onnx' | wc -l").output.first == UInt8(ascii: "0"))
  }

  @Test func restartKeepsModels() throws {
    let models = try Self.modelsOfAnEndedServer()
    var second: TestServer?
    // The directory is given back with the first server's last reference, which a queue may still hold.
    _ = eventually {
      second = try? TestServer { $0.modelsDirectory = models }
      return second != nil
    }
    let server = try #require(second)
    defer { server.stop() }
    #expect(try server.post("/v2/models/kept/infer", TestModel.request()).status == 200)
  }

  private static func modelsOfAnEndedServer() throws -> String {
    let server = try TestServer()
    try server.uploadModel("kept")
    server.stop()
    return server.directory + "/models"
  }

  @Test func drainTurnsReadinessOffAndEndsEventStreams() throws {
    let server = try TestServer()
    try server.uploadModel("m")
    let reply = try server.post("/v2/models/m/compress", #"{"preset":"safe","label":"hang"}"#)
    let location = try #require(reply.headers["location"])
    let ended = DispatchSemaphore(value: 0)
    DispatchQueue.global().async {
      _ = try? server.get(location + "/events")
      ended.signal()
    }
    usleep(300_000)
    let start = ContinuousClock.now
    server.stop()
    #expect(ContinuousClock.now - start < .seconds(5))
    #expect(ended.wait(timeout: .now() + 5) == .success)
    #expect(!server.server.isReady)
    #expect(throws: Curl.Failure.self) { _ = try server.get("/v2/health/live") }
  }

  @Test func aSecondServerOnTheSameDirectoryIsRefused() throws {
    let first = try TestServer()
    defer { first.stop() }
    let models = first.directory + "/models"
    #expect(throws: ServingError.self) { _ = try TestServer { $0.modelsDirectory = models } }
  }
}
