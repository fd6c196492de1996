import Dispatch
import Logging
import Synchronization

extension ModelRepository {
  /// Loads every version that was found at start, several at once. A broken one is reported and skipped.
  /// - Parameter isWanted: asked before each; false leaves the others alone.
  public func loadAll(while isWanted: @Sendable () -> Bool = { true }) {
    let waiting = index().filter { $0.state == .loading }
    DispatchQueue.concurrentPerform(iterations: waiting.count) { position in
      let entry = waiting[position]
      if isWanted() { reload(entry.name, entry.version) }
    }
  }

  /// Loads a version, or every version of the model on disk, again. Requests are answered by the old instance
  /// until the new one is ready.
  /// - Throws: `.modelNotFound`, `.versionNotFound`, `.modelNotReady` when it cannot be loaded.
  public func load(_ name: String, version: Int? = nil) throws(ServingError) {
    try ResourceName.check(name)
    rescan(name)
    let versions = try versions(of: name).map(\.version)
    if let version, !versions.contains(version) { throw .versionNotFound(name: name, version: version) }
    for number in version.map({ [$0] }) ?? versions { reload(name, number) }
    _ = try servable(name, version: version)
  }

  /// Frees a version, or every version of the model; its files stay. Requests in flight finish.
  /// - Throws: `.modelNotFound`, `.versionNotFound`.
  public func unload(_ name: String, version: Int? = nil) throws(ServingError) {
    let versions = try versions(of: name).map(\.version)
    if let version, !versions.contains(version) { throw .versionNotFound(name: name, version: version) }
    // The last reference is dropped outside of the lock: freeing a large model takes a while.
    let freed = state.withLock { state in
      var freed: [Servable] = []
      for number in version.map({ [$0] }) ?? versions {
        guard var entry = state.version(name, number) else { continue }
        if let servable = entry.servable { freed.append(servable) }
        entry.servable = nil
        entry.state = .unavailable(reason: "unloaded")
        state.set(name, number, entry)
      }
      return freed
    }
    logger.info("model unloaded", metadata: ["model": "\(name)", "versions": "\(freed.count)"])
  }

  /// Unloads and removes a version, or the whole model. Requests in flight finish on what they started with.
  /// - Throws: `.modelNotFound`, `.versionNotFound`, `.readOnly`, `.storage`.
  public func delete(_ name: String, version: Int? = nil) throws(ServingError) {
    let result: Result<[StagedDirectory], ServingError> = publishing.withLock { _ in
      do throws(ServingError) {
        return .success(try deleteLocked(name, version))
      } catch {
        return .failure(error)
      }
    }
    _ = try result.get()  // the moved directories are removed here, with their last reference
  }

  private func deleteLocked(_ name: String, _ version: Int?) throws(ServingError) -> [StagedDirectory] {
    let all = try versions(of: name)
    let chosen = all.filter { version == nil || $0.version == version }
    if chosen.isEmpty { throw .versionNotFound(name: name, version: version ?? 0) }
    if let fixed = chosen.first(where: \.isReadOnly) { throw .readOnly(name: name, version: fixed.version) }
    var removed: [StagedDirectory] = []
    for entry in chosen {
      let bin = try stage()
      try FileSystem.move(layout.version(name, entry.version), to: bin.path + "/version")
      removed.append(bin)
      // Returned, so that a large model is freed after the lock.
      _ = state.withLock { state in
        defer { state.set(name, entry.version, nil) }
        return state.version(name, entry.version)
      }
      loader.metrics.forget(model: name, version: entry.version)
      logger.info("version deleted", metadata: ["model": "\(name)", "version": "\(entry.version)"])
    }
    try FileSystem.synchronize(directory: layout.model(name))
    if FileSystem.entries(layout.model(name)).isEmpty { try FileSystem.removeTree(layout.model(name)) }
    return removed
  }

  /// Makes a version the default one and remembers that.
  /// - Throws: `.modelNotFound`, `.versionNotFound`, `.readOnly`, `.storage`.
  public func promote(_ name: String, version: Int) throws(ServingError) {
    let result: Result<Void, ServingError> = publishing.withLock { _ in
      do throws(ServingError) {
        var entry = try stored(name, version)
        guard var manifest = entry.manifest else { throw .readOnly(name: name, version: version) }
        manifest.sequence = state.withLock { $0.models[name]?.nextSequence ?? 1 }
        manifest.servesByDefault = true
        try manifest.write(directory: entry.directory)
        entry.manifest = manifest
        state.withLock { $0.set(name, version, entry) }
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Takes up versions that were put into the model's directory by hand.
  private func rescan(_ name: String) {
    let layouts =
      [(layout: layout, isReadOnly: false)]
      + configuration.preloadDirectories.map { (layout: RepositoryLayout(root: $0), isReadOnly: true) }
    for (layout, isReadOnly) in layouts {
      for (found, version, directory) in layout.scan() where found == name {
        let manifest = isReadOnly ? nil : VersionManifest.read(directory: directory)
        state.withLock { state in
          if state.version(name, version) != nil { return }
          let entry = RepositoryState.Version(
            directory: directory, isReadOnly: isReadOnly, manifest: manifest, state: .loading, servable: nil)
          state.set(name, version, entry)
        }
      }
    }
  }

  private func reload(_ name: String, _ version: Int) {
    guard let found = try? stored(name, version) else { return }
    let loaded = loader.loadReporting(directory: found.directory)
    let old = state.withLock { state -> Servable? in
      guard var entry = state.version(name, version) else { return nil }  // deleted meanwhile
      let old = entry.servable
      install(loaded, name, version, in: &entry)
      state.set(name, version, entry)
      return old
    }
    withExtendedLifetime(old) {}  // freed here, outside of the lock
    if case .broken(let reason) = loaded {
      logger.error(
        "model cannot be loaded",
        metadata: ["model": "\(name)", "version": "\(version)", "reason": "\(reason)"])
    }
  }
}
