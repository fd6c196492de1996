import Dispatch
import Logging
import Synchronization

/// Everything below the protocols: models, workers, datasets, jobs and metrics of one server. Protocols decode a
/// request, ask the core, and encode its answer.
public final class ServingCore: Sendable {
  /// With absolute paths.
  public let configuration: ServingConfiguration
  public let repository: ModelRepository
  public let datasets: DatasetStore
  public let jobs: JobRunner
  public let metrics: Metrics
  public let workers: WorkerPool
  private let logger: Logger
  private let dataLock: DirectoryLock
  private let maintenance: PeriodicTask
  private let starting = DispatchGroup()
  private let isStopping = Atomic<Bool>(false)
  private static let maintenanceMilliseconds = 100

  /// Checks the configuration, takes the directories and clears what an interrupted server left behind.
  /// - Throws: `ConfigurationError`, `ServingError`.
  public init(
    configuration: ServingConfiguration, logger: Logger, clock: any ServingClock = MonotonicClock()
  ) throws {
    try configuration.validate()
    let configuration = configuration.withAbsolutePaths()
    self.configuration = configuration
    self.logger = logger
    try FileSystem.makeDirectories(configuration.dataDirectory)
    dataLock = try DirectoryLock(directory: configuration.dataDirectory)
    metrics = Metrics()
    workers = WorkerPool(configuration: configuration, clock: clock)
    let loader = VersionLoader(configuration: configuration, workers: workers, metrics: metrics)
    repository = try ModelRepository(configuration: configuration, loader: loader, logger: logger)
    let database = try StateDatabase(path: configuration.dataDirectory + "/adze.sqlite")
    let scratch = try ScratchSpace(dataDirectory: configuration.dataDirectory)
    datasets = try DatasetStore(
      configuration: configuration, database: database, scratch: scratch, metrics: metrics.uploads
    ) {
      logger.error("dataset cannot be used", metadata: ["dataset": "\($0)", "reason": "\($1)"])
    }
    jobs = JobRunner(
      configuration: configuration, store: JobStore(database: database, configuration: configuration),
      repository: repository, datasets: datasets, scratch: scratch, metrics: metrics, logger: logger)
    maintenance = PeriodicTask(label: "adze.maintenance", milliseconds: Self.maintenanceMilliseconds) {
      [workers, jobs] in
      workers.sweep()
      jobs.forgetOldResults()
    }
  }

  /// Starts the workers, loads the models and goes on with waiting jobs; returns at once. `isReady` tells when every
  /// model was tried. Call once.
  public func start() {
    workers.start()
    maintenance.start()
    DispatchQueue.global(qos: .userInitiated).async(group: starting) { [self] in
      repository.loadAll { !isStopping.load(ordering: .relaxed) }
      if isStopping.load(ordering: .relaxed) { return }
      let index = repository.index()
      let ready = index.filter { $0.state == .ready }.count
      logger.info("models loaded", metadata: ["ready": "\(ready)", "failed": "\(index.count - ready)"])
      do throws(ServingError) {
        try jobs.start()
      } catch {
        logger.error("jobs cannot be started", metadata: ["reason": "\(error)"])
      }
    }
  }

  /// Ends running jobs, finishes the requests that wait, ends the workers and gives the directories free. Blocks until
  /// all is still.
  public func stop() {
    isStopping.store(true, ordering: .relaxed)
    starting.wait()
    jobs.stop()
    workers.stop()
    maintenance.stop()
    dataLock.release()
    repository.directoryLock.release()
  }

  /// True once every model that was there at the start is ready or was found to be broken.
  public var isReady: Bool { repository.isSettled }
}
