import GRDB

/// The SQLite database of jobs and datasets. Its calls block for the time of a small transaction.
final class StateDatabase: Sendable {
  private let queue: DatabaseQueue

  /// Opens the file and brings its tables up to date.
  init(path: String) throws(ServingError) {
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(5)
      configuration.prepareDatabase { database in
        try database.execute(sql: "PRAGMA journal_mode = WAL")
        // A reported job or dataset survives a power cut.
        try database.execute(sql: "PRAGMA synchronous = FULL")
      }
      queue = try DatabaseQueue(path: path, configuration: configuration)
      try Self.migrations.migrate(queue)
    } catch {
      throw Self.failure(error)
    }
  }

  func read<T>(_ body: (Database) throws -> T) throws(ServingError) -> T {
    do { return try queue.read(body) } catch { throw Self.failure(error) }
  }

  func write<T>(_ body: (Database) throws -> T) throws(ServingError) -> T {
    do { return try queue.write(body) } catch { throw Self.failure(error) }
  }

  private static func failure(_ error: any Error) -> ServingError {
    if let error = error as? ServingError { return error }
    guard let error = error as? DatabaseError else { return .storage(reason: "the database failed") }
    if error.resultCode == .SQLITE_FULL { return .storageFull }
    return .storage(reason: "the database failed: \(error.message ?? "code \(error.resultCode.rawValue)")")
  }

  private static var migrations: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("jobs and datasets") { database in
      try database.create(table: "job") { table in
        table.autoIncrementedPrimaryKey("id")
        table.column("kind", .text).notNull()
        table.column("state", .text).notNull().indexed()
        table.column("progress", .double).notNull()
        table.column("stage", .text).notNull()
        table.column("created", .double).notNull()
        table.column("started", .double)
        table.column("finished", .double)
        table.column("model", .text)
        table.column("source", .integer)
        table.column("version", .integer)
        table.column("label", .text)
        table.column("recipe", .text).notNull()
        table.column("calibration", .text)
        table.column("evaluation", .text)
        table.column("mayPromote", .boolean).notNull()
        table.column("report", .text)
        table.column("error", .text)
      }
      try database.create(table: "dataset") { table in
        table.primaryKey("name", .text)
        table.column("file", .text).notNull()
        table.column("rows", .integer).notNull()
        table.column("bytes", .integer).notNull()
        table.column("sha256", .text).notNull()
        table.column("created", .double).notNull()
        table.column("arrays", .text).notNull()
      }
    }
    migrator.registerMigration("time left and searches") { database in
      try database.alter(table: "job") { table in
        table.add(column: "secondsLeft", .double)
        table.add(column: "searches", .boolean).notNull().defaults(to: false)
      }
    }
    return migrator
  }
}
