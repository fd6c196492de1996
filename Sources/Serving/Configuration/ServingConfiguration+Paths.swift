import Glibc

extension ServingConfiguration {
  /// The same settings with every path seen from the root, so that processes with another working directory find them.
  func withAbsolutePaths() -> ServingConfiguration {
    var result = self
    result.modelsDirectory = Self.absolute(modelsDirectory)
    result.dataDirectory = Self.absolute(dataDirectory)
    result.preloadDirectories = preloadDirectories.map(Self.absolute)
    result.preloadDatasetDirectories = preloadDatasetDirectories.map(Self.absolute)
    result.executablePath = Self.absolute(executablePath)
    return result
  }

  private static func absolute(_ path: String) -> String {
    var path = path
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    if path.hasPrefix("/") { return path }
    guard let current = getcwd(nil, 0) else { return path }
    defer { free(current) }
    return String(cString: current) + "/" + path
  }
}
