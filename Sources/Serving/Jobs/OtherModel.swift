/// A model that a step of a recipe names beside the one that is compressed: `name` or `name/version`.
struct OtherModel {
  let name: String
  /// Nil: the default version.
  let version: Int?

  /// - Throws: `.invalidName`.
  init(_ text: String) throws(ServingError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    name = parts[0]
    try ResourceName.check(name)
    version = parts.count == 2 ? try ResourceName.version(parts[1]) : nil
  }

  /// Where its file lies; no part of the path is the user's text.
  /// - Throws: `.modelNotFound`, `.versionNotFound`.
  func file(in repository: ModelRepository) throws(ServingError) -> String {
    let version = try repository.servable(name, version: version).version
    return try repository.stored(name, version).directory + "/" + RepositoryLayout.modelFile
  }
}
