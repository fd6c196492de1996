/// Where the repository keeps what. Names are checked by `ResourceName` before they get here.
struct RepositoryLayout: Sendable {
  let root: String

  static let modelFile = "model.onnx"
  static let reportFile = "report.json"
  static let incoming = ".incoming"

  /// Holds what is not published yet; emptied at start.
  var incoming: String { root + "/" + Self.incoming }
  func model(_ name: String) -> String { root + "/" + name }
  func version(_ name: String, _ version: Int) -> String { root + "/\(name)/\(version)" }

  /// Versions found on disk: directories with a valid name and number that hold a model file.
  func scan() -> [(name: String, version: Int, directory: String)] {
    var found: [(name: String, version: Int, directory: String)] = []
    for name in FileSystem.entries(root) where ResourceName.isValid(name) {
      for entry in FileSystem.entries(model(name)) {
        guard let number = try? ResourceName.version(entry), String(number) == entry else { continue }
        let directory = version(name, number)
        if FileSystem.isFile(directory + "/" + Self.modelFile) {
          found.append((name: name, version: number, directory: directory))
        }
      }
    }
    return found
  }
}
