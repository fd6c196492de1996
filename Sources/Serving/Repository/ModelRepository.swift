import FoundationEssentials
import Logging
import Synchronization

/// The models on disk and in memory: `<models>/<model>/<version>/model.onnx`.
///
/// A version appears by one rename after it was checked, loaded and synchronised, so whatever happens the disk holds
/// whole versions only. Lookups take one short lock. Uploads, loads and deletions block: keep them off event loops.
public final class ModelRepository: Sendable {
  let configuration: ServingConfiguration
  let layout: RepositoryLayout
  let loader: VersionLoader
  let logger: Logger
  let directoryLock: DirectoryLock
  let state: Mutex<RepositoryState>
  /// Held while versions appear or disappear on disk; taken before `state`, never the other way round.
  let publishing = Mutex<Void>(())

  /// Clears what an interrupted server left behind and lists what is there; `loadAll` loads it.
  /// - Throws: `.storage` when the directory cannot be used, `.conflict` when another server uses it.
  init(configuration: ServingConfiguration, loader: VersionLoader, logger: Logger) throws(ServingError) {
    self.configuration = configuration
    self.loader = loader
    self.logger = logger
    layout = RepositoryLayout(root: configuration.modelsDirectory)
    try FileSystem.makeDirectories(layout.root)
    directoryLock = try DirectoryLock(directory: layout.root)
    try FileSystem.removeTree(layout.incoming)
    try FileSystem.makeDirectory(layout.incoming)
    var found = RepositoryState()
    for directory in configuration.preloadDirectories {
      Self.list(RepositoryLayout(root: directory), isReadOnly: true, into: &found)
    }
    Self.list(layout, isReadOnly: false, into: &found)
    state = Mutex(found)
  }

  private static func list(_ layout: RepositoryLayout, isReadOnly: Bool, into state: inout RepositoryState) {
    for (name, version, directory) in layout.scan() {
      let manifest = isReadOnly ? nil : VersionManifest.read(directory: directory)
      let entry = RepositoryState.Version(
        directory: directory, isReadOnly: isReadOnly, manifest: manifest, state: .loading, servable: nil)
      state.set(name, version, entry)
    }
  }

  // MARK: Lookup

  /// The version that answers requests for `name`: the given one, or the default one.
  /// - Throws: `.modelNotFound`, `.versionNotFound`, `.modelNotReady`.
  public func servable(_ name: String, version: Int? = nil) throws(ServingError) -> Servable {
    let result: Result<Servable, ServingError> = state.withLock { state in
      guard let model = state.models[name] else { return .failure(.modelNotFound(name: name)) }
      guard let number = version ?? model.defaultVersion else {
        return .failure(.modelNotReady(name: name, version: nil, reason: "no version is loaded"))
      }
      guard let entry = model.versions[number] else {
        return .failure(.versionNotFound(name: name, version: number))
      }
      if let servable = entry.servable { return .success(servable) }
      return .failure(.modelNotReady(name: name, version: number, reason: entry.state.reason))
    }
    return try result.get()
  }

  /// The newest version with this label.
  /// - Throws: `.modelNotFound`, `.invalidRequest` when no version has it.
  public func version(of name: String, label: String) throws(ServingError) -> Int {
    let versions = try self.versions(of: name)
    guard let found = versions.last(where: { $0.manifest?.label == label }) else {
      throw .invalidRequest(reason: "model '\(name)' has no version with the label '\(label.prefix(128))'")
    }
    return found.version
  }

  /// - Throws: `.modelNotFound`, `.versionNotFound`.
  public func state(_ name: String, version: Int? = nil) throws(ServingError) -> ModelVersionState {
    let entries = try versions(of: name)
    guard let entry = entries.first(where: { version == nil ? $0.isDefault : $0.version == version }) else {
      throw .versionNotFound(name: name, version: version ?? 0)
    }
    return entry.state
  }

  /// Every version of every model, by name and number.
  public func index() -> [ModelIndexEntry] {
    state.withLock { state in
      state.models.keys.sorted().flatMap { Self.entries($0, state.models[$0]!) }
    }
  }

  /// The versions of one model, by number.
  /// - Throws: `.modelNotFound`.
  public func versions(of name: String) throws(ServingError) -> [ModelIndexEntry] {
    let entries = state.withLock { state in state.models[name].map { Self.entries(name, $0) } }
    guard let entries else { throw .modelNotFound(name: name) }
    return entries
  }

  private static func entries(_ name: String, _ model: RepositoryState.Model) -> [ModelIndexEntry] {
    model.versions.sorted { $0.key < $1.key }.map { number, version in
      ModelIndexEntry(
        name: name, version: number, state: version.state, isDefault: number == model.defaultVersion,
        isReadOnly: version.isReadOnly, manifest: version.manifest)
    }
  }

  /// Every ready version, by model and number.
  public var readyServables: [Servable] {
    let servables = state.withLock { state in
      state.models.values.flatMap { $0.versions.values.compactMap(\.servable) }
    }
    return servables.sorted { ($0.name, $0.version) < ($1.name, $1.version) }
  }

  /// True once no version is waiting for its first load any more.
  public var isSettled: Bool {
    state.withLock { state in
      state.models.values.allSatisfy { $0.versions.values.allSatisfy { $0.state != .loading } }
    }
  }

  // MARK: Files

  /// A stored file of a version, open for reading.
  /// - Throws: `.modelNotFound`, `.versionNotFound`, `.fileNotFound`, `.invalidName`.
  public func file(_ name: String, version: Int, file: String) throws(ServingError) -> OpenFile {
    try ResourceName.check(file)
    let entry = try stored(name, version)
    let etag = file == RepositoryLayout.modelFile ? entry.manifest?.sha256 : nil
    guard let opened = try? OpenFile(path: entry.directory + "/" + file, etag: etag) else {
      throw .fileNotFound(name: name, version: version, file: file)
    }
    return opened
  }

  /// The JSON report of the job that made this version; nil when no job made it.
  /// - Throws: `.modelNotFound`, `.versionNotFound`.
  public func report(_ name: String, version: Int) throws(ServingError) -> [UInt8]? {
    let directory = try stored(name, version).directory
    return FileSystem.read(
      directory + "/" + RepositoryLayout.reportFile, limit: configuration.maximumReportBytes)
  }

  func stored(_ name: String, _ version: Int) throws(ServingError) -> RepositoryState.Version {
    let (model, entry) = state.withLock { ($0.models[name] != nil, $0.version(name, version)) }
    guard let entry else {
      throw model ? .versionNotFound(name: name, version: version) : .modelNotFound(name: name)
    }
    return entry
  }
}
