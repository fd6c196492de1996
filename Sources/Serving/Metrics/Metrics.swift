import Synchronization

/// Everything that `/metrics` and `/v2/models/stats` tell.
public final class Metrics: Sendable {
  private struct Key: Hashable {
    let model: String
    let version: Int
  }

  private let models = Mutex<[Key: ModelStatistics]>([:])
  public let jobs = JobMetrics()
  public let uploads = UploadMetrics()

  public init() {}

  /// The statistics of a version, made at first use; they outlast unloading and loading again.
  public func statistics(model: String, version: Int) -> ModelStatistics {
    models.withLock { models in
      let key = Key(model: model, version: version)
      let statistics = models[key] ?? ModelStatistics(model: model, version: version)
      models[key] = statistics
      return statistics
    }
  }

  /// Forgets a version that was deleted.
  func forget(model: String, version: Int) {
    models.withLock { _ = $0.removeValue(forKey: Key(model: model, version: version)) }
  }

  /// By model and version.
  public var all: [ModelStatistics] {
    models.withLock { Array($0.values) }.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
  }
}
