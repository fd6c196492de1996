import Foundation

/// Runs an installed program. A program that is missing is an error, so that its tests fail instead of passing
/// unseen.
enum Tool {
  struct Result {
    var status: Int32
    var output: [UInt8]
    var errors: String

    var text: String { String(decoding: output, as: UTF8.self) }
  }

  static func run(_ name: String, _ arguments: [String], input: [UInt8]? = nil) throws -> Result {
    let path = ["/usr/bin/", "/usr/local/bin/"].map { $0 + name }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
    guard let path else {
      throw ClientError(text: "\(name) is not installed (apt install curl nghttp2-client)")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let directory = FileManager.default.temporaryDirectory
    let output = directory.appendingPathComponent("tool-\(UUID().uuidString)")
    let errors = directory.appendingPathComponent("tool-\(UUID().uuidString)")
    let given = directory.appendingPathComponent("tool-\(UUID().uuidString)")
    defer { for url in [output, errors, given] { try? FileManager.default.removeItem(at: url) } }
    try Data(input ?? []).write(to: given)
    for url in [output, errors] { try Data().write(to: url) }
    process.standardInput = try FileHandle(forReadingFrom: given)
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    return Result(
      status: process.terminationStatus, output: Array(try Data(contentsOf: output)),
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
  }

  static func curl(_ arguments: [String], input: [UInt8]? = nil) throws -> Result {
    try run("curl", ["-sS", "--max-time", "30"] + arguments, input: input)
  }
}

/// A file that is removed when the tests end.
struct TemporaryFile: Sendable {
  let path: String

  init(_ bytes: [UInt8]) throws {
    let url = Self.directory.appendingPathComponent(UUID().uuidString)
    try Data(bytes).write(to: url)
    path = url.path
  }

  private static let directory: URL = {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("transport-\(UUID().uuidString)")
    try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    atexit { try? FileManager.default.removeItem(at: TemporaryFile.directory) }
    return url
  }()
}
