/// The repository's view of its models; a plain value that the repository guards with one lock.
struct RepositoryState {
  struct Version {
    var directory: String
    var isReadOnly: Bool
    var manifest: VersionManifest?
    var state: ModelVersionState
    var servable: Servable?
  }

  struct Model {
    var versions: [Int: Version] = [:]
    /// The version that answers when none is asked for; kept by `refreshDefault`.
    private(set) var defaultVersion: Int?

    /// Among the ready versions the one published last, by number where nothing else decides. Without a ready one
    /// the same choice among all, so that its state explains the model's.
    mutating func refreshDefault() {
      let allowed = versions.filter { $0.value.manifest?.servesByDefault ?? true }
      let candidates = allowed.isEmpty ? versions : allowed
      let ready = candidates.filter { $0.value.servable != nil }
      defaultVersion =
        (ready.isEmpty ? candidates : ready).max { left, right in
          let (a, b) = (left.value.manifest?.sequence ?? 0, right.value.manifest?.sequence ?? 0)
          return a == b ? left.key < right.key : a < b
        }?.key
    }

    var nextVersion: Int { (versions.keys.max() ?? 0) + 1 }
    var nextSequence: Int { (versions.values.compactMap { $0.manifest?.sequence }.max() ?? 0) + 1 }
  }

  var models: [String: Model] = [:]
  var openUploads = 0

  func version(_ name: String, _ version: Int) -> Version? { models[name]?.versions[version] }

  mutating func set(_ name: String, _ number: Int, _ version: Version?) {
    models[name, default: Model()].versions[number] = version
    models[name]?.refreshDefault()
    if models[name]?.versions.isEmpty == true { models[name] = nil }
  }
}
