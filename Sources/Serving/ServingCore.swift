import Dispatch
import Logging

/// Everything below the protocols: models, workers and metrics of one server. Protocols decode a request, ask the
/// core, and encode its answer.
public final class ServingCore: Sendable {
  public let configuration: ServingConfiguration
  public let repository: ModelRepository
  public let workers: WorkerPool
  public let metrics: Metrics
  private let logger: Logger
  private let loadQueue = DispatchQueue(label: "adze.load", qos: .userInitiated)

  /// Checks the configuration, takes the directories and clears what an interrupted server left behind.
  /// - Throws: `ConfigurationError`, `ServingError`.
  public init(
    configuration: ServingConfiguration, logger: Logger, clock: any ServingClock = MonotonicClock()
  ) throws {
    try configuration.validate()
    self.configuration = configuration
    self.logger = logger
    metrics = Metrics()
    workers = WorkerPool(configuration: configuration, clock: clock)
    let loader = VersionLoader(configuration: configuration, workers: workers, metrics: metrics)
    repository = try ModelRepository(configuration: configuration, loader: loader, logger: logger)
  }

  /// Starts the workers and loads the models; returns at once. `isReady` tells when every model was tried.
  public func start() {
    workers.start()
    loadQueue.async { [self] in
      repository.loadAll()
      let index = repository.index()
      let ready = index.filter { $0.state == .ready }.count
      logger.info("models loaded", metadata: ["ready": "\(ready)", "failed": "\(index.count - ready)"])
    }
  }

  /// True once every model that was there at the start is ready or was found to be broken.
  public var isReady: Bool { repository.isSettled }
}
