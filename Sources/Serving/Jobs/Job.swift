import FoundationEssentials
import GRDB

/// A step on a job's way; the raw values are what users see.
public enum JobState: String, Codable, Sendable, DatabaseValueConvertible {
  case queued, running, done, failed, cancelled
  /// The server stopped while the job ran.
  case interrupted

  /// True for states that a job never leaves.
  public var isFinal: Bool { self != .queued && self != .running }
}

/// A compression asked for by a client: one row of the database.
public struct Job: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, DatabaseValueConvertible {
    /// Makes a new version of a stored model.
    case version
    /// Compresses uploaded bytes into a file that is sent back.
    case oneCall = "one_call"
  }

  /// 0 before it is stored.
  public var id: Int64 = 0
  public var kind: Kind
  public var state: JobState = .queued
  /// 0…1
  public var progress = 0.0
  public var stage = ""
  /// An estimate; nil when the job does not run, or there is none yet.
  public var secondsLeft: Double?
  /// Seconds since 1970, as are `started` and `finished`.
  public var created: Double
  public var started: Double?
  public var finished: Double?
  public var model: String?
  /// The version that is compressed.
  public var source: Int?
  /// The version that the job made.
  public var version: Int?
  public var label: String?
  /// JSON.
  public var recipe: String
  /// Names of datasets.
  public var calibration: String?
  public var evaluation: String?
  /// True when the result becomes the default version if its report says so.
  public var mayPromote: Bool
  /// True when the recipe searches: such a job can be asked to finish with the best found so far.
  public var searches = false
  /// JSON; nil until the job is done.
  public var report: String?
  public var error: String?
}

extension Job: FetchableRecord, MutablePersistableRecord {
  public static let databaseTableName = "job"

  public func encode(to container: inout PersistenceContainer) throws {
    container["id"] = id == 0 ? nil : id
    container["kind"] = kind
    container["state"] = state
    container["progress"] = progress
    container["stage"] = stage
    container["secondsLeft"] = secondsLeft
    container["created"] = created
    container["started"] = started
    container["finished"] = finished
    container["model"] = model
    container["source"] = source
    container["version"] = version
    container["label"] = label
    container["recipe"] = recipe
    container["calibration"] = calibration
    container["evaluation"] = evaluation
    container["mayPromote"] = mayPromote
    container["searches"] = searches
    container["report"] = report
    container["error"] = error
  }

  public mutating func didInsert(_ inserted: InsertionSuccess) { id = inserted.rowID }
}
