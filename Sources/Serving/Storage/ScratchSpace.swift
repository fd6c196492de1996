/// The data directory's place for files that do not outlive the server; emptied at start.
final class ScratchSpace: Sendable {
  private let path: String

  init(dataDirectory: String) throws(ServingError) {
    path = dataDirectory + "/scratch"
    try FileSystem.removeTree(path)
    try FileSystem.makeDirectory(path)
  }

  func stage() throws(ServingError) -> StagedDirectory { try StagedDirectory(in: path) }
}
