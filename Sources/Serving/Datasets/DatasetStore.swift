import FoundationEssentials
import GRDB
import Synchronization
import Tensors

/// Sample data for calibration and evaluation: checked `.npz` files and what the database knows about them.
///
/// A file's name holds a part of its hash and its row names the file, so replacing a dataset is one transaction.
/// Calls block on disk and database: keep them off event loops.
public final class DatasetStore: Sendable {
  private let configuration: ServingConfiguration
  private let database: StateDatabase
  private let scratch: ScratchSpace
  private let metrics: UploadMetrics
  private let directory: String
  private let bundled: [String: (info: DatasetInfo, path: String)]
  private let changing = Mutex<Void>(())

  /// Checks the bundled datasets and removes files that no row names.
  /// - Returns: also what is wrong with bundled files that cannot be used.
  init(
    configuration: ServingConfiguration, database: StateDatabase, scratch: ScratchSpace,
    metrics: UploadMetrics,
    report: (_ name: String, _ error: ServingError) -> Void
  ) throws(ServingError) {
    self.configuration = configuration
    self.database = database
    self.scratch = scratch
    self.metrics = metrics
    directory = configuration.dataDirectory + "/datasets"
    try FileSystem.makeDirectory(directory)
    bundled = Self.scan(configuration, report)
    let known = Set(try rows().map(\.file))
    for file in FileSystem.entries(directory) where !known.contains(file) {
      try FileSystem.removeTree(directory + "/" + file)
    }
  }

  private static func scan(
    _ configuration: ServingConfiguration, _ report: (String, ServingError) -> Void
  ) -> [String: (info: DatasetInfo, path: String)] {
    var found: [String: (info: DatasetInfo, path: String)] = [:]
    for directory in configuration.preloadDatasetDirectories {
      for file in FileSystem.entries(directory) where file.hasSuffix(".npz") {
        let name = String(file.dropLast(4))
        let path = directory + "/" + file
        do throws(ServingError) {
          try ResourceName.check(name)
          let (rows, arrays) = try DatasetCheck.read(path, maximumBytes: configuration.maximumDatasetBytes)
          let info = DatasetInfo(
            name: name, rows: rows, bytes: FileSystem.size(path) ?? 0, sha256: nil, created: nil,
            arrays: arrays)
          found[name] = (info: info, path: path)
        } catch {
          report(name, error)
        }
      }
    }
    return found
  }

  // MARK: Reading

  /// Every dataset, by name.
  public func list() throws(ServingError) -> [DatasetInfo] {
    let stored = try rows().map(\.info)
    return (stored + bundled.values.map(\.info)).sorted { $0.name < $1.name }
  }

  /// - Throws: `.datasetNotFound`, `.storage`.
  public func dataset(_ name: String) throws(ServingError) -> DatasetInfo {
    if let found = bundled[name] { return found.info }
    guard let row = try row(name) else { throw .datasetNotFound(name: name) }
    return row.info
  }

  /// The dataset's file, for reading on this machine.
  /// - Throws: `.datasetNotFound`, `.storage`.
  func path(_ name: String) throws(ServingError) -> String {
    if let found = bundled[name] { return found.path }
    guard let row = try row(name) else { throw .datasetNotFound(name: name) }
    return directory + "/" + row.file
  }

  /// The dataset's file, open for download.
  /// - Throws: `.datasetNotFound`, `.storage`.
  public func file(_ name: String) throws(ServingError) -> OpenFile {
    try OpenFile(path: try path(name), etag: try dataset(name).sha256)
  }

  // MARK: Changing

  /// Starts the upload of a dataset; one of that name is replaced.
  /// - Throws: `.invalidName`, `.conflict` for the name of a bundled dataset, `.storageFull`, `.storage`.
  public func beginUpload(_ name: String) throws(ServingError) -> DatasetUpload {
    try ResourceName.check(name)
    if bundled[name] != nil {
      throw .conflict(reason: "dataset '\(name)' is bundled with the server and read-only")
    }
    let receiver = try UploadReceiver(
      staged: try scratch.stage(), fileName: "dataset.npz", limit: configuration.maximumDatasetBytes,
      what: "the dataset", minimumFreeBytes: configuration.minimumFreeDiskBytes, metrics: metrics, release: {}
    )
    return DatasetUpload(store: self, receiver: receiver, name: name)
  }

  /// Jobs that have opened it already are not disturbed.
  /// - Throws: `.datasetNotFound`, `.conflict` for a bundled dataset, `.storage`.
  public func delete(_ name: String) throws(ServingError) {
    if bundled[name] != nil {
      throw .conflict(reason: "dataset '\(name)' is bundled with the server and read-only")
    }
    let removed = try database.write { database in
      let row = try DatasetRow.fetchOne(database, key: name)
      try row?.delete(database)
      return row
    }
    guard let removed else { throw .datasetNotFound(name: name) }
    try FileSystem.removeTree(directory + "/" + removed.file)
  }

  fileprivate func publish(_ path: String, as name: String, _ digest: FileDigest) throws(ServingError)
    -> DatasetInfo
  {
    let (rows, arrays) = try DatasetCheck.read(path, maximumBytes: configuration.maximumDatasetBytes)
    let result: Result<DatasetInfo, ServingError> = changing.withLock { _ in
      do throws(ServingError) {
        let old = try row(name)
        let count = try database.read { try DatasetRow.fetchCount($0) }
        if old == nil && count >= configuration.maximumDatasets {
          throw .conflict(reason: "the server holds its limit of \(configuration.maximumDatasets) datasets")
        }
        let file = "\(name)-\(digest.sha256.prefix(16)).npz"
        let new = DatasetRow(
          name: name, file: file, rows: rows, bytes: digest.bytes, sha256: digest.sha256,
          created: Date().timeIntervalSince1970, arrays: arrays)
        try FileSystem.move(path, to: directory + "/" + file)
        try FileSystem.synchronize(directory: directory)
        try database.write { try new.save($0) }
        if let old, old.file != file { try FileSystem.removeTree(directory + "/" + old.file) }
        return .success(new.info)
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func rows() throws(ServingError) -> [DatasetRow] {
    try database.read { try DatasetRow.fetchAll($0) }
  }

  private func row(_ name: String) throws(ServingError) -> DatasetRow? {
    try database.read { try DatasetRow.fetchOne($0, key: name) }
  }
}

/// A dataset being uploaded. Blocks on the disk: keep it off event loops.
public final class DatasetUpload: Sendable {
  private let store: DatasetStore
  private let receiver: UploadReceiver
  private let name: String

  init(store: DatasetStore, receiver: UploadReceiver, name: String) {
    self.store = store
    self.receiver = receiver
    self.name = name
  }

  /// - Throws: `.tooLarge`, `.storageFull`, `.storage`; the upload has then ended.
  public func append(_ bytes: [UInt8]) throws(ServingError) { try receiver.append(bytes) }

  /// Checks the arrays, then stores the dataset in one step.
  /// - Throws: `.invalidDataset`, `.conflict`, `.storageFull`, `.storage`; nothing is stored then.
  public func finish() throws(ServingError) -> DatasetInfo {
    let digest = try receiver.finish()
    let info = try store.publish(receiver.staged.path + "/dataset.npz", as: name, digest)
    receiver.markStored()
    return info
  }

  /// Ends the upload and removes what arrived.
  public func abort() { receiver.abort() }
}

/// A row of the database.
private struct DatasetRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "dataset"

  var name: String
  /// In the datasets directory.
  var file: String
  var rows: Int
  var bytes: Int
  var sha256: String
  var created: Double
  var arrays: [DatasetInfo.Array]

  var info: DatasetInfo {
    DatasetInfo(name: name, rows: rows, bytes: bytes, sha256: sha256, created: created, arrays: arrays)
  }
}
