import Foundation
import Tensors
import Testing

@testable import Serving

@Suite struct DatasetTests {
  private func archive(_ rows: Int, labels: Int? = nil) throws -> [UInt8] {
    var arrays = [(name: "x", tensor: try Tensor(type: .float32, shape: [rows, 4]))]
    if let labels { arrays.append((name: "labels", tensor: try Tensor(type: .int64, shape: [labels]))) }
    return try Npz.encode(arrays)
  }

  private func upload(_ core: ServingCore, _ name: String, _ bytes: [UInt8]) throws -> DatasetInfo {
    let upload = try core.datasets.beginUpload(name)
    try upload.append(bytes)
    return try upload.finish()
  }

  @Test func datasetsAreStoredReplacedAndDeleted() throws {
    let rig = CoreRig()
    let core = try rig.core()
    let first = try upload(core, "d", try archive(5, labels: 5))
    #expect(first.rows == 5)
    #expect(first.arrays.map(\.name) == ["x", "labels"])
    #expect(first.arrays[0].shape == [5, 4])
    let second = try upload(core, "d", try archive(7))
    #expect(try core.datasets.dataset("d") == second)
    #expect(rig.directory.contents("state/datasets").count == 1)
    #expect(try core.datasets.list().map(\.name) == ["d"])
    #expect(try core.datasets.file("d").size == second.bytes)
    try core.datasets.delete("d")
    #expect(throws: ServingError.datasetNotFound(name: "d")) { try core.datasets.dataset("d") }
    #expect(rig.directory.contents("state/datasets").isEmpty)
  }

  @Test func datasetsSurviveARestart() throws {
    let rig = CoreRig()
    let stored: DatasetInfo
    do {
      let core = try rig.core()
      stored = try upload(core, "d", try archive(3))
      core.stop()
    }
    let core = try rig.core()
    #expect(try core.datasets.dataset("d") == stored)
  }

  @Test func whatIsNoDatasetIsRefused() throws {
    let rig = CoreRig { $0.maximumDatasetBytes = 2000 }
    let core = try rig.core()
    for bytes in [Array("nothing".utf8), [], try archive(5, labels: 4), try archive(0), try Npz.encode([])] {
      let error = #expect(throws: ServingError.self) { try upload(core, "d", bytes) }
      guard case .invalidDataset? = error else {
        Issue.record("expected .invalidDataset, got \(String(describing: error))")
        continue
      }
    }
    #expect(throws: ServingError.tooLarge(what: "the dataset", limit: 2000)) {
      try upload(core, "d", try archive(500))
    }
    #expect(throws: ServingError.invalidName("../d")) { try core.datasets.beginUpload("../d") }
    #expect(rig.directory.contents("state/datasets").isEmpty)
    #expect(rig.directory.contents("state/scratch").isEmpty)
  }

  @Test func bundledDatasetsAreReadOnly() throws {
    var rig = CoreRig()
    let bundled = TemporaryDirectory()
    rig.configuration.preloadDatasetDirectories = [bundled.path]
    try Data(try archive(6)).write(to: URL(fileURLWithPath: bundled.path + "/given.npz"))
    bundled.write("broken", "broken.npz")
    let core = try rig.core()
    #expect(try core.datasets.list().map(\.name) == ["given"])
    #expect(try core.datasets.dataset("given").rows == 6)
    #expect(throws: ServingError.self) { try core.datasets.beginUpload("given") }
    #expect(throws: ServingError.self) { try core.datasets.delete("given") }
  }
}
