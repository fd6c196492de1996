import Synchronization

/// A file that a client is sending. Nothing of it is visible before `finish` has returned; a dropped or aborted
/// upload leaves nothing behind. One thread at a time.
final class UploadReceiver: Sendable {
  let staged: StagedDirectory
  private let file: Mutex<IncomingFile?>
  private let isStored = Atomic<Bool>(false)
  private let metrics: UploadMetrics
  private let release: @Sendable () -> Void

  /// - Parameter release: called once when the upload has ended in any way.
  init(
    staged: StagedDirectory, fileName: String, limit: Int, what: String, minimumFreeBytes: Int,
    metrics: UploadMetrics, release: @escaping @Sendable () -> Void
  ) throws(ServingError) {
    self.staged = staged
    self.metrics = metrics
    self.release = release
    let path = staged.path + "/" + fileName
    file = Mutex(
      try IncomingFile(path: path, limit: limit, what: what, minimumFreeBytes: minimumFreeBytes))
  }

  deinit {
    if !isStored.load(ordering: .relaxed) { metrics.failed.add() }
    release()
  }

  /// Counts the upload as stored.
  func markStored() {
    isStored.store(true, ordering: .relaxed)
    metrics.stored.add()
  }

  func append(_ bytes: [UInt8]) throws(ServingError) {
    let failure: ServingError? = file.withLock { file in
      guard let open = file else { return .conflict(reason: "the upload has ended") }
      do throws(ServingError) {
        try open.append(bytes)
        metrics.bytes.add(UInt64(bytes.count))
        return nil
      } catch {
        file = nil
        return error
      }
    }
    if let failure { throw failure }
  }

  func finish() throws(ServingError) -> FileDigest {
    let result: Result<FileDigest, ServingError> = file.withLock { file in
      guard let open = file else { return .failure(.conflict(reason: "the upload has ended")) }
      file = nil
      do throws(ServingError) { return .success(try open.finish()) } catch { return .failure(error) }
    }
    return try result.get()
  }

  func abort() { file.withLock { $0 = nil } }
}

/// A model version being uploaded: `append` the ONNX bytes, then `finish` or `abort`.
///
/// `append` and `finish` touch the disk, and `finish` parses and compiles: never call them on an event loop.
public final class Upload: Sendable {
  private let repository: ModelRepository
  private let receiver: UploadReceiver
  private let name: String
  private let version: Int?

  init(repository: ModelRepository, receiver: UploadReceiver, name: String, version: Int?) {
    self.repository = repository
    self.receiver = receiver
    self.name = name
    self.version = version
  }

  /// - Throws: `.tooLarge`, `.storageFull`, `.storage`; the upload has then ended.
  public func append(_ bytes: [UInt8]) throws(ServingError) { try receiver.append(bytes) }

  /// Checks and loads the model, then publishes it in one step as the default version.
  /// - Throws: `.invalidModel` saying what is wrong or unsupported, `.versionExists`, `.storage`; nothing is
  ///   stored then.
  public func finish() throws(ServingError) -> UploadedVersion {
    let digest = try receiver.finish()
    let uploaded = try repository.publish(
      receiver.staged, as: Publication(name: name, version: version, digest: digest))
    receiver.markStored()
    return uploaded
  }

  /// Ends the upload and removes what arrived.
  public func abort() { receiver.abort() }
}

/// A further file of a version being uploaded: external data that its model waits for, or labels.
public final class FileUpload: Sendable {
  private let repository: ModelRepository
  private let receiver: UploadReceiver
  private let name: String
  private let version: Int
  private let file: String

  init(repository: ModelRepository, receiver: UploadReceiver, name: String, version: Int, file: String) {
    self.repository = repository
    self.receiver = receiver
    self.name = name
    self.version = version
    self.file = file
  }

  /// - Throws: `.tooLarge`, `.storageFull`, `.storage`; the upload has then ended.
  public func append(_ bytes: [UInt8]) throws(ServingError) { try receiver.append(bytes) }

  /// Puts the file beside the model and loads the version when all of its files are there. Off the event loops.
  /// - Throws: `.conflict` when the version became ready meanwhile and has such a file, `.storage`.
  public func finish() throws(ServingError) -> UploadedVersion {
    let digest = try receiver.finish()
    let uploaded = try repository.add(
      receiver.staged.path + "/" + file, named: file, digest: digest, to: name, version: version)
    receiver.markStored()
    return uploaded
  }

  /// Ends the upload and removes what arrived.
  public func abort() { receiver.abort() }
}

/// How a staged version is to be published.
struct Publication: Sendable {
  var name: String
  /// nil: the next number.
  var version: Int?
  var digest: FileDigest
  var label: String?
  var job: Int64?
  var source: Int?
  var servesByDefault = true
}
