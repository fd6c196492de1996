import FoundationEssentials
import GRDB

/// The jobs, as the database knows them. Calls block for the time of a small transaction.
public final class JobStore: Sendable {
  private let database: StateDatabase
  private let maximumQueued: Int
  private let maximumFinished: Int

  init(database: StateDatabase, configuration: ServingConfiguration) {
    self.database = database
    maximumQueued = configuration.maximumQueuedJobs
    maximumFinished = configuration.maximumFinishedJobs
  }

  /// - Throws: `.jobNotFound`, `.storage`.
  public func job(_ id: Int64) throws(ServingError) -> Job {
    let found = try database.read { try Job.fetchOne($0, key: id) }
    guard let found else { throw .jobNotFound(id: id) }
    return found
  }

  /// The newest jobs first, without their reports.
  /// - Parameter before: only jobs with smaller ids, to page on.
  public func list(limit: Int = 100, before: Int64 = .max) throws(ServingError) -> [Job] {
    try database.read { database in
      let columns = Job.columns(withoutReport: true)
      let sql = "SELECT \(columns) FROM job WHERE id < ? ORDER BY id DESC LIMIT ?"
      return try Job.fetchAll(database, sql: sql, arguments: [before, max(limit, 0)])
    }
  }

  /// Jobs by state.
  public func counts() throws(ServingError) -> [JobState: Int] {
    try database.read { database in
      var counts: [JobState: Int] = [:]
      for row in try Row.fetchAll(database, sql: "SELECT state, COUNT(*) AS n FROM job GROUP BY state") {
        if let state = JobState(rawValue: row["state"]) { counts[state] = row["n"] }
      }
      return counts
    }
  }

  /// Stores a new job.
  /// - Throws: `.overloaded` when too many wait, `.storage`.
  func insert(_ job: Job) throws(ServingError) -> Job {
    try database.write { database in
      let waiting = try Job.filter(Column("state") == JobState.queued).fetchCount(database)
      if waiting >= maximumQueued {
        throw ServingError.overloaded(reason: "\(waiting) jobs are waiting already")
      }
      var job = job
      try job.insert(database)
      try forgetOldest(database)
      return job
    }
  }

  /// Changes a job that has not ended, and returns it; nil when it has ended or is not there.
  func update(_ id: Int64, _ change: (inout Job) -> Void) throws(ServingError) -> Job? {
    try database.write { database in
      guard var job = try Job.fetchOne(database, key: id), !job.state.isFinal else { return nil }
      change(&job)
      try job.update(database)
      return job
    }
  }

  /// Takes the oldest waiting job and marks it as running.
  func startNext(at time: Double) throws(ServingError) -> Job? {
    try database.write { database in
      let waiting = Job.filter(Column("state") == JobState.queued).order(Column("id"))
      guard var job = try waiting.fetchOne(database) else { return nil }
      job.state = .running
      job.started = time
      try job.update(database)
      return job
    }
  }

  /// Jobs that have not ended, oldest first.
  func unfinished() throws(ServingError) -> [Job] {
    try database.read { database in
      let states = [JobState.queued, .running]
      return try Job.filter(states.contains(Column("state"))).order(Column("id")).fetchAll(database)
    }
  }

  private func forgetOldest(_ database: Database) throws {
    let open = "'queued', 'running'"
    try database.execute(
      sql: """
        DELETE FROM job WHERE state NOT IN (\(open)) AND id NOT IN
          (SELECT id FROM job WHERE state NOT IN (\(open)) ORDER BY id DESC LIMIT ?)
        """, arguments: [maximumFinished])
  }
}

extension Job {
  fileprivate static func columns(withoutReport: Bool) -> String {
    [
      "id", "kind", "state", "progress", "stage", "secondsLeft", "created", "started", "finished", "model",
      "source",
      "version", "label", "recipe", "calibration", "evaluation", "mayPromote", "searches", "error",
    ].joined(separator: ", ")
  }
}
