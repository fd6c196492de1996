import Foundation
import Tensors
import Testing

@testable import ONNXFormat

struct ExternalDataTests {
  private let root: String
  private let models: String

  init() throws {
    root = NSTemporaryDirectory() + "adze-external-" + UUID().uuidString
    models = root + "/models"
    let manager = FileManager.default
    try manager.createDirectory(atPath: models + "/sub", withIntermediateDirectories: true)
    for path in [models + "/w.bin", models + "/sub/w.bin", root + "/secret.bin"] {
      #expect(manager.createFile(atPath: path, contents: Data([0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])))
    }
    try manager.createSymbolicLink(atPath: models + "/link.bin", withDestinationPath: root + "/secret.bin")
    try manager.createSymbolicLink(atPath: models + "/folder", withDestinationPath: root)
    try manager.linkItem(atPath: root + "/secret.bin", toPath: models + "/hard.bin")
    #expect(mkfifo(models + "/pipe", 0o600) == 0)
  }

  private func read(_ entries: [(String, String)], dims: [Int64] = [2]) throws -> Tensor {
    defer { try? FileManager.default.removeItem(atPath: root) }
    var message = Onnx_TensorProto()
    message.name = "w"
    message.dims = dims
    message.dataType = 1
    message.dataLocation = .external
    message.externalData = entries.map { key, value in
      var entry = Onnx_StringStringEntryProto()
      entry.key = key
      entry.value = value
      return entry
    }
    var decoder = TensorDecoder(directory: models, limits: LoadLimits())
    return try decoder.tensor(message)
  }

  @Test(arguments: ["w.bin", "./w.bin", "sub/w.bin", "sub//w.bin"])
  func readsFilesBesideTheModel(_ location: String) throws {
    #expect(try read([("location", location)]) == Tensor(shape: [2], [Float(1), 2]))
  }

  @Test func readsARange() throws {
    let tensor = try read([("location", "w.bin"), ("offset", "4"), ("length", "4")], dims: [1])
    #expect(tensor == (try Tensor(shape: [1], [Float(2)])))
  }

  @Test(arguments: [
    ("../secret.bin", "leaves the model's directory"), ("../../etc/passwd", "leaves the model's directory"),
    ("sub/../../secret.bin", "leaves the model's directory"), ("/etc/passwd", "is absolute"),
    ("link.bin", "symbolic link"), ("folder/secret.bin", "symbolic link"), ("hard.bin", "hard link"),
    ("sub", "is not a regular file"), ("pipe", "is not a regular file"), ("missing", "no such file"),
    ("", "names no file"), (".", "names no file"), ("w.bin\0.txt", "contains a zero byte"),
  ])
  func refusesOtherFiles(_ location: String, _ reason: String) {
    #expect { try read([("location", location)]) } throws: { "\($0)".contains(reason) }
  }

  @Test(arguments: [
    ("offset", "1"), ("offset", "-4"), ("offset", "9223372036854775807"), ("offset", "x"), ("length", "4"),
    ("length", "-8"), ("length", "99999999999999999999"),
  ])
  func refusesOtherRanges(_ key: String, _ value: String) {
    #expect(throws: ONNXFormatError.self) { try read([("location", "w.bin"), (key, value)]) }
  }

  @Test func refusesWithoutADirectory() throws {
    defer { try? FileManager.default.removeItem(atPath: root) }
    var message = TensorEncoder.external(
      try Tensor(shape: [2], [Float(1), 2]), name: "w", location: "w.bin", offset: 0)
    var decoder = TensorDecoder(directory: nil, limits: LoadLimits())
    #expect(throws: ONNXFormatError.self) { try decoder.tensor(message) }
    message.externalData = []
    #expect(throws: ONNXFormatError.externalData(tensor: "w", reason: "no location")) {
      try decoder.tensor(message)
    }
  }
}
