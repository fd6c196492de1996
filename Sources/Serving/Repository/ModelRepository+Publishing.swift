import FoundationEssentials
import Logging
import Synchronization

extension ModelRepository {
  // MARK: Uploads

  /// Starts an upload that becomes `version` of the model, or its next version.
  /// - Throws: `.invalidName`, `.versionExists`, `.overloaded`, `.storageFull`, `.storage`, `.conflict`.
  public func beginUpload(_ name: String, version: Int? = nil) throws(ServingError) -> Upload {
    try ResourceName.check(name)
    if let version, version < 1 || version > 999_999_999 { throw .invalidName(String(version)) }
    try checkRoom(name, version)
    let receiver = try receive(
      RepositoryLayout.modelFile, limit: configuration.maximumModelBytes, what: "the model")
    return Upload(repository: self, receiver: receiver, name: name, version: version)
  }

  /// Starts the upload of a further file of a version: external data or labels.
  /// - Throws: as `beginUpload`, `.modelNotFound`, `.versionNotFound`, `.readOnly`, `.conflict` for a file that a
  ///   ready version has already.
  public func beginFileUpload(_ name: String, version: Int, file: String) throws(ServingError) -> FileUpload {
    try ResourceName.check(file)
    try checkAddable(file, name, version)
    let receiver = try receive(file, limit: configuration.maximumModelBytes, what: "the file")
    return FileUpload(repository: self, receiver: receiver, name: name, version: version, file: file)
  }

  private func receive(_ file: String, limit: Int, what: String) throws(ServingError) -> UploadReceiver {
    let limitOfUploads = configuration.maximumConcurrentUploads
    let admitted = state.withLock { state in
      if state.openUploads >= limitOfUploads { return false }
      state.openUploads += 1
      return true
    }
    if !admitted { throw .overloaded(reason: "\(limitOfUploads) uploads are open already") }
    let release: @Sendable () -> Void = { [self] in state.withLock { $0.openUploads -= 1 } }
    do throws(ServingError) {
      return try UploadReceiver(
        staged: try stage(), fileName: file, limit: limit, what: what,
        minimumFreeBytes: configuration.minimumFreeDiskBytes, metrics: loader.metrics.uploads,
        release: release)
    } catch {
      release()
      throw error
    }
  }

  /// A place on the repository's file system for files that may be published later.
  func stage() throws(ServingError) -> StagedDirectory { try StagedDirectory(in: layout.incoming) }

  private func checkRoom(_ name: String, _ version: Int?) throws(ServingError) {
    let limits = (models: configuration.maximumModels, versions: configuration.maximumVersionsPerModel)
    let problem: ServingError? = state.withLock { state in
      guard let model = state.models[name] else {
        return state.models.count < limits.models
          ? nil : .conflict(reason: "the repository holds its limit of \(limits.models) models")
      }
      if let version, model.versions[version] != nil { return .versionExists(name: name, version: version) }
      return model.versions.count < limits.versions
        ? nil : .conflict(reason: "model '\(name)' has its limit of \(limits.versions) versions")
    }
    if let problem { throw problem }
  }

  // MARK: Publishing

  /// Checks and loads a staged version, then makes it visible on disk and in memory.
  /// - Throws: `.invalidModel`, `.versionExists`, `.storage`; the staged files are then removed by their owner.
  func publish(_ staged: StagedDirectory, as publication: Publication) throws(ServingError) -> UploadedVersion
  {
    let loaded = try loader.load(directory: staged.path)
    let result: Result<UploadedVersion, ServingError> = publishing.withLock { _ in
      do throws(ServingError) {
        return .success(try publishLocked(staged, publication, loaded))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func publishLocked(
    _ staged: StagedDirectory, _ publication: Publication, _ loaded: LoadedVersion
  ) throws(ServingError) -> UploadedVersion {
    let name = publication.name
    try checkRoom(name, publication.version)
    let model = state.withLock { $0.models[name] } ?? RepositoryState.Model()
    let version = publication.version ?? model.nextVersion
    let manifest = VersionManifest(
      sha256: publication.digest.sha256, bytes: publication.digest.bytes,
      created: Date().timeIntervalSince1970, label: publication.label, job: publication.job,
      source: publication.source, sequence: model.nextSequence, servesByDefault: publication.servesByDefault)
    try manifest.write(directory: staged.path)

    let directory = layout.version(name, version)
    try FileSystem.makeDirectory(layout.model(name))
    try FileSystem.synchronize(directory: layout.root)
    try staged.move(to: directory)
    try FileSystem.synchronize(directory: layout.model(name))

    var entry = RepositoryState.Version(
      directory: directory, isReadOnly: false, manifest: manifest, state: .loading, servable: nil)
    install(loaded, name, version, in: &entry)
    state.withLock { $0.set(name, version, entry) }
    logger.info(
      "version published",
      metadata: ["model": "\(name)", "version": "\(version)", "state": "\(entry.state.name)"])
    return uploaded(name, version, entry, publication.digest, loaded)
  }

  /// Adds an uploaded file to a version and loads the version if it could not be loaded before.
  func add(
    _ path: String, named file: String, digest: FileDigest, to name: String, version: Int
  ) throws(ServingError) -> UploadedVersion {
    let result: Result<UploadedVersion, ServingError> = publishing.withLock { _ in
      do throws(ServingError) {
        try checkAddable(file, name, version)
        var entry = try stored(name, version)
        try FileSystem.move(path, to: entry.directory + "/" + file)
        try FileSystem.synchronize(directory: entry.directory)
        if let servable = entry.servable {
          return .success(
            UploadedVersion(
              name: name, version: version, digest: digest, state: entry.state, inputs: servable.inputs,
              outputs: servable.outputs, missingFiles: []))
        }
        let loaded = loader.loadReporting(directory: entry.directory)
        install(loaded, name, version, in: &entry)
        state.withLock { $0.set(name, version, entry) }
        return .success(uploaded(name, version, entry, digest, loaded))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func checkAddable(_ file: String, _ name: String, _ version: Int) throws(ServingError) {
    let reserved = [
      RepositoryLayout.modelFile, RepositoryLayout.reportFile, VersionManifest.fileName,
      VersionManifest.fileName + ".tmp",
    ]
    if reserved.contains(file) { throw .conflict(reason: "the file name '\(file)' is reserved") }
    let entry = try stored(name, version)
    if entry.isReadOnly { throw .readOnly(name: name, version: version) }
    if entry.servable != nil && FileSystem.isFile(entry.directory + "/" + file) {
      throw .conflict(reason: "version \(version) of model '\(name)' is in use; its files cannot be replaced")
    }
    if FileSystem.entries(entry.directory).count >= configuration.maximumFilesPerVersion {
      throw .conflict(reason: "a version may have \(configuration.maximumFilesPerVersion) files")
    }
  }

  private func uploaded(
    _ name: String, _ version: Int, _ entry: RepositoryState.Version, _ digest: FileDigest,
    _ loaded: LoadedVersion
  ) -> UploadedVersion {
    var missing: [String] = []
    if case .waiting(let files) = loaded { missing = files }
    return UploadedVersion(
      name: name, version: version, digest: digest, state: entry.state,
      inputs: entry.servable?.inputs ?? [], outputs: entry.servable?.outputs ?? [], missingFiles: missing)
  }

  /// Puts the outcome of a load into a version's entry.
  func install(
    _ loaded: LoadedVersion, _ name: String, _ version: Int, in entry: inout RepositoryState.Version
  ) {
    switch loaded {
    case .program(let program, let seconds):
      entry.servable = loader.servable(name: name, version: version, program: program, seconds: seconds)
      entry.state = .ready
    case .waiting(let files):
      entry.servable = nil
      entry.state = .unavailable(reason: "waits for the files \(files.joined(separator: ", "))")
    case .broken(let reason):
      entry.servable = nil
      entry.state = .unavailable(reason: reason)
    }
  }
}
