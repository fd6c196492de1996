import Engine
import Foundation
import GraphIR
import Logging
import Tensors
import Testing

@testable import Serving

/// A core over directories that outlive it, so that tests can start it again.
struct CoreRig {
  let directory = TemporaryDirectory()
  var configuration: ServingConfiguration

  init(_ change: (inout ServingConfiguration) -> Void = { _ in }) {
    configuration = ServingConfiguration(
      modelsDirectory: directory.path + "/models", dataDirectory: directory.path + "/state")
    configuration.workerThreads = 1
    configuration.minimumFreeDiskBytes = 0
    change(&configuration)
  }

  func core() throws -> ServingCore {
    try ServingCore(
      configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  /// A core whose models were loaded.
  func started() throws -> ServingCore {
    let core = try core()
    core.start()
    #expect(eventually { core.isReady })
    return core
  }

  static func upload(
    _ core: ServingCore, _ name: String, version: Int? = nil, _ bytes: [UInt8]? = nil
  ) throws -> UploadedVersion {
    let upload = try core.repository.beginUpload(name, version: version)
    let bytes = try bytes ?? TestModels.product().serialized()
    // In pieces, as they come from the network.
    for start in stride(from: 0, to: bytes.count, by: 100) {
      try upload.append(Array(bytes[start..<min(start + 100, bytes.count)]))
    }
    return try upload.finish()
  }

  static func infer(_ core: ServingCore, _ name: String, version: Int? = nil) throws -> [Float] {
    let answers = Answers()
    try core.repository.servable(name, version: version).submit(
      InferenceRequest(
        inputs: [try Tensor(shape: [1, 4], [1, 2, 3, 4] as [Float])], outputs: [0],
        completion: answers.completion(0)))
    return try #require(answers.wait(for: 1)[0]?.floats)
  }

  static let expected = TestModels.expectedProduct([1, 2, 3, 4])
}

@Suite struct RepositoryTests {
  @Test func anUploadIsCheckedPublishedAndServed() throws {
    let rig = CoreRig()
    let core = try rig.started()
    let uploaded = try CoreRig.upload(core, "mine")
    #expect(uploaded.version == 1)
    #expect(uploaded.state == .ready)
    #expect(uploaded.inputs.map(\.name) == ["x"])
    #expect(uploaded.digest.sha256.count == 64)
    #expect(try CoreRig.infer(core, "mine") == CoreRig.expected)
    #expect(
      rig.directory.contents("models") == [
        ".incoming", ".lock", "mine", "mine/1", "mine/1/manifest.json", "mine/1/model.onnx",
      ])
    let file = try core.repository.file("mine", version: 1, file: "model.onnx")
    #expect(file.size == uploaded.digest.bytes)
    #expect(file.etag == uploaded.digest.sha256)
    core.stop()
  }

  @Test func theNextVersionBecomesTheDefault() throws {
    let rig = CoreRig()
    let core = try rig.started()
    _ = try CoreRig.upload(core, "m")
    #expect(try CoreRig.upload(core, "m", version: 7).version == 7)
    #expect(try CoreRig.upload(core, "m").version == 8)
    // An older number that is uploaded later is the newest upload.
    #expect(try CoreRig.upload(core, "m", version: 3).version == 3)
    #expect(try core.repository.servable("m").version == 3)
    #expect(throws: ServingError.versionExists(name: "m", version: 7)) {
      try CoreRig.upload(core, "m", version: 7)
    }
    #expect(try core.repository.versions(of: "m").map(\.version) == [1, 3, 7, 8])
    core.stop()
  }

  @Test func whatIsNoModelIsRefusedAndLeavesNothing() throws {
    let rig = CoreRig()
    let core = try rig.started()
    var truncated = try TestModels.product().serialized()
    truncated.removeLast(20)
    for bytes in [[], Array("not a model".utf8), truncated] {
      let error = #expect(throws: ServingError.self) { try CoreRig.upload(core, "bad", bytes) }
      guard case .invalidModel(let reason)? = error else {
        Issue.record("expected .invalidModel, got \(String(describing: error))")
        continue
      }
      #expect(!reason.contains(rig.directory.path))
    }
    #expect(throws: ServingError.modelNotFound(name: "bad")) { try core.repository.servable("bad") }
    #expect(rig.directory.contents("models") == [".incoming", ".lock"])
    core.stop()
  }

  @Test func anUploadThatIsCutOffLeavesNothing() throws {
    let rig = CoreRig { $0.maximumConcurrentUploads = 1 }
    let core = try rig.started()
    do {
      let upload = try core.repository.beginUpload("half")
      try upload.append([1, 2, 3])
      #expect(rig.directory.contents("models/.incoming").count == 2)
      #expect(throws: ServingError.self) { try core.repository.beginUpload("other") }
      upload.abort()
      #expect(throws: ServingError.self) { try upload.append([4]) }
    }
    #expect(rig.directory.contents("models/.incoming").isEmpty)
    // The place is free again.
    _ = try CoreRig.upload(core, "other")
    core.stop()
  }

  @Test func sizesAndNamesAreLimited() throws {
    let rig = CoreRig {
      $0.maximumModelBytes = 50
      $0.maximumModels = 1
    }
    let core = try rig.started()
    #expect(throws: ServingError.tooLarge(what: "the model", limit: 50)) { try CoreRig.upload(core, "m") }
    for name in ["../x", "", ".incoming", "a/b"] {
      #expect(throws: ServingError.invalidName(name)) { try core.repository.beginUpload(name) }
    }
    for version in [0, -1] {
      #expect(throws: ServingError.invalidName("\(version)")) {
        try core.repository.beginUpload("m", version: version)
      }
    }
    core.stop()
  }

  @Test func modelsSurviveARestart() throws {
    let rig = CoreRig()
    do {
      let core = try rig.started()
      _ = try CoreRig.upload(core, "kept")
      _ = try CoreRig.upload(core, "kept")
      _ = try CoreRig.upload(core, "kept", version: 9)
      try core.repository.promote("kept", version: 1)
      core.stop()
    }
    let core = try rig.started()
    #expect(try core.repository.servable("kept").version == 1)
    #expect(try CoreRig.infer(core, "kept", version: 9) == CoreRig.expected)
    core.stop()
  }

  @Test func whatAKilledServerLeftIsCleared() throws {
    let rig = CoreRig()
    rig.directory.write("half a model", "models/.incoming/3/model.onnx")
    rig.directory.write("", "models/empty/.keep")
    rig.directory.write("x", "models/m/2.tmp/model.onnx")
    rig.directory.write("half", "state/scratch/1/dataset.npz")
    rig.directory.write("unknown", "state/datasets/gone-0123456789abcdef.npz")
    let core = try rig.started()
    #expect(rig.directory.contents("models/.incoming").isEmpty)
    #expect(rig.directory.contents("state/scratch").isEmpty)
    #expect(rig.directory.contents("state/datasets").isEmpty)
    #expect(core.repository.index().isEmpty)
    #expect(try CoreRig.upload(core, "m").version == 1)
    core.stop()
  }

  @Test func brokenModelsAreReportedAtStart() throws {
    let rig = CoreRig()
    do {
      let core = try rig.started()
      _ = try CoreRig.upload(core, "m")
      _ = try CoreRig.upload(core, "m")
      core.stop()
    }
    rig.directory.write("damaged", "models/m/2/model.onnx")
    let core = try rig.started()
    let index = core.repository.index()
    #expect(index.map(\.state.name) == ["READY", "UNAVAILABLE"])
    #expect(index[1].state.reason != "")
    #expect(try core.repository.servable("m").version == 1)
    #expect(throws: ServingError.self) { try core.repository.servable("m", version: 2) }
    core.stop()
  }

  @Test func twoServersDoNotShareADirectory() throws {
    let rig = CoreRig()
    let core = try rig.core()
    #expect(throws: ServingError.self) { try rig.core() }
    withExtendedLifetime(core) {}
  }

  // MARK: Deleting, unloading, bundled models

  @Test func deletingRemovesFilesAndMemory() throws {
    let rig = CoreRig()
    let core = try rig.started()
    _ = try CoreRig.upload(core, "m")
    _ = try CoreRig.upload(core, "m")
    weak let servable = try core.repository.servable("m", version: 2)
    #expect(servable != nil)
    try core.repository.delete("m", version: 2)
    #expect(servable == nil)
    #expect(try core.repository.servable("m").version == 1)
    #expect(!rig.directory.exists("models/m/2"))
    try core.repository.delete("m")
    #expect(rig.directory.contents("models") == [".incoming", ".lock"])
    #expect(throws: ServingError.modelNotFound(name: "m")) { try core.repository.delete("m") }
    core.stop()
  }

  @Test func requestsInFlightFinishOnADeletedModel() throws {
    let rig = CoreRig()
    let core = try rig.core()
    core.repository.loadAll()
    _ = try CoreRig.upload(core, "m")
    let answers = Answers()
    try core.repository.servable("m").submit(
      InferenceRequest(
        inputs: [try Tensor(shape: [1, 4], [1, 2, 3, 4] as [Float])], outputs: [0],
        completion: answers.completion(0)))
    try core.repository.delete("m")
    core.workers.start()
    #expect(answers.wait(for: 1)[0]?.floats == CoreRig.expected)
    core.workers.stop()
  }

  @Test func unloadedModelsCanBeLoadedAgain() throws {
    let rig = CoreRig()
    let core = try rig.started()
    _ = try CoreRig.upload(core, "m")
    try core.repository.unload("m")
    #expect(throws: ServingError.modelNotReady(name: "m", version: 1, reason: "unloaded")) {
      try core.repository.servable("m")
    }
    try core.repository.load("m")
    #expect(try CoreRig.infer(core, "m") == CoreRig.expected)
    core.stop()
  }

  @Test func bundledModelsAreServedInPlace() throws {
    var rig = CoreRig()
    let bundled = TemporaryDirectory()
    rig.configuration.preloadDirectories = [bundled.path]
    bundled.write("", "given/1/model.onnx")
    try Data(TestModels.product().serialized()).write(
      to: URL(fileURLWithPath: bundled.path + "/given/1/model.onnx"))
    let core = try rig.started()
    #expect(try CoreRig.infer(core, "given") == CoreRig.expected)
    #expect(throws: ServingError.readOnly(name: "given", version: 1)) { try core.repository.delete("given") }
    #expect(throws: ServingError.versionExists(name: "given", version: 1)) {
      try CoreRig.upload(core, "given", version: 1)
    }
    #expect(try CoreRig.upload(core, "given").version == 2)
    #expect(try core.repository.servable("given").version == 2)
    try core.repository.delete("given", version: 2)
    #expect(try core.repository.servable("given").version == 1)
    core.stop()
  }

  @Test func versionsPutThereByHandAreFoundOnLoad() throws {
    let rig = CoreRig()
    let core = try rig.started()
    rig.directory.write("", "models/hand/4/model.onnx")
    try Data(TestModels.product().serialized()).write(
      to: URL(fileURLWithPath: rig.directory.path + "/models/hand/4/model.onnx"))
    try core.repository.load("hand")
    #expect(try CoreRig.infer(core, "hand", version: 4) == CoreRig.expected)
    core.stop()
  }

  /// The product model with its weights in `file`, and those weights.
  private func external(_ file: String) throws -> (model: [UInt8], weights: [UInt8]) {
    let weights = (0..<12).map { Float($0 / 3 + 10 * ($0 % 3)) }
    let data = weights.withUnsafeBytes { Array($0) }
    // ModelProto.graph.initializer[0] in the protobuf encoding: dims, data_type, name, external_data, data_location.
    var plain = try TestModels.product().serialized()
    let raw = [UInt8](arrayLiteral: 0x4A, 48) + data
    let start = try #require(plain.firstRange(of: raw)?.lowerBound)
    let key = Array("location".utf8)
    let entry = [0x0A, UInt8(key.count)] + key + [0x12, UInt8(file.utf8.count)] + Array(file.utf8)
    let replacement = [0x6A, UInt8(entry.count)] + entry + [0x70, 1]
    plain.replaceSubrange(start..<start + raw.count, with: replacement)
    return (try Self.relengthed(plain, by: replacement.count - raw.count, around: start), data)
  }

  /// Corrects the one-byte lengths of the tensor and the two-byte or one-byte length of the graph around `position`.
  private static func relengthed(_ bytes: [UInt8], by change: Int, around position: Int) throws -> [UInt8] {
    var bytes = bytes
    let tensor = try #require(bytes[..<position].lastIndex(of: 0x2A))
    bytes[tensor + 1] = UInt8(Int(bytes[tensor + 1]) + change)
    let graph = try #require(bytes.firstIndex(of: 0x3A))
    #expect(bytes[graph + 1] & 0x80 != 0)
    let length = Int(bytes[graph + 1] & 0x7F) | Int(bytes[graph + 2]) << 7
    bytes[graph + 1] = UInt8((length + change) & 0x7F) | 0x80
    bytes[graph + 2] = UInt8((length + change) >> 7)
    return bytes
  }

  @Test func aModelWaitsForItsExternalData() throws {
    let rig = CoreRig()
    let (model, weights) = try external("weights.bin")
    do {
      let core = try rig.started()
      let uploaded = try CoreRig.upload(core, "big", model)
      #expect(uploaded.missingFiles == ["weights.bin"])
      #expect(uploaded.state == .unavailable(reason: "waits for the files weights.bin"))
      core.stop()
    }
    let core = try rig.started()
    #expect(try core.repository.state("big") == .unavailable(reason: "waits for the files weights.bin"))
    let file = try core.repository.beginFileUpload("big", version: 1, file: "weights.bin")
    try file.append(weights)
    #expect(try file.finish().state == .ready)
    #expect(try CoreRig.infer(core, "big") == CoreRig.expected)
    #expect(throws: ServingError.self) {
      try core.repository.beginFileUpload("big", version: 1, file: "weights.bin")
    }
    #expect(throws: ServingError.self) {
      try core.repository.beginFileUpload("big", version: 1, file: "model.onnx")
    }
    core.stop()
  }

  @Test(arguments: ["../../etc/passwd", "/etc/passwd", "sub/weights.bin"])
  func externalDataElsewhereIsRefused(location: String) throws {
    let rig = CoreRig()
    let core = try rig.started()
    let error = #expect(throws: ServingError.self) {
      try CoreRig.upload(core, "evil", try external(location).model)
    }
    guard case .invalidModel? = error else {
      Issue.record("expected .invalidModel, got \(String(describing: error))")
      return
    }
    #expect(core.repository.index().isEmpty)
    core.stop()
  }

  @Test func filesOutsideAVersionCannotBeRead() throws {
    let rig = CoreRig()
    let core = try rig.started()
    _ = try CoreRig.upload(core, "m")
    try FileManager.default.createSymbolicLink(
      atPath: rig.directory.path + "/models/m/1/link", withDestinationPath: "/etc/passwd")
    #expect(throws: ServingError.fileNotFound(name: "m", version: 1, file: "link")) {
      try core.repository.file("m", version: 1, file: "link")
    }
    #expect(throws: ServingError.invalidName("../1/model.onnx")) {
      try core.repository.file("m", version: 1, file: "../1/model.onnx")
    }
    core.stop()
  }
}
