import FoundationEssentials

/// What the repository remembers about one stored version, kept beside its model as `manifest.json`.
public struct VersionManifest: Codable, Sendable, Equatable {
  /// Of `model.onnx`: 64 hexadecimal digits.
  public var sha256: String
  /// Of `model.onnx`.
  public var bytes: Int
  /// Seconds since 1970.
  public var created: Double
  /// `int8`, `pruned80` … for compressed versions.
  public var label: String?
  /// The job that made this version.
  public var job: Int64?
  /// The version that a compressed one was made from.
  public var source: Int?
  /// Orders the versions of a model by publication; the default version is the latest that may be one.
  public var sequence: Int
  /// False for a version that answers only when asked for by number or label.
  public var servesByDefault: Bool

  static let fileName = "manifest.json"
  private static let maximumBytes = 1 << 20

  static func read(directory: String) -> VersionManifest? {
    guard let bytes = FileSystem.read(directory + "/" + fileName, limit: maximumBytes) else { return nil }
    return try? JSONDecoder().decode(VersionManifest.self, from: Data(bytes))
  }

  func write(directory: String) throws(ServingError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let data = try? encoder.encode(self) else { throw .storage(reason: "encoding a manifest") }
    try FileSystem.writeAtomically(Array(data), to: directory + "/" + Self.fileName)
  }
}
