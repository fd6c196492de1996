import Compression
import Dispatch
import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// Runs compression jobs: at most so many at once, each in a process of its own that a crash, a lack of memory or a
/// hostile model takes down alone. Calls block shortly on the database; keep them off event loops.
public final class JobRunner: Sendable {
  struct State {
    /// Running jobs and what users want of each.
    var wishes: [Int64: ChildProcess.Wish] = [:]
    /// Sources of waiting, results of finished one-call jobs.
    var sources: [Int64: StagedDirectory] = [:]
    var results: [Int64: (directory: StagedDirectory, expires: ContinuousClock.Instant)] = [:]
    var isStopping = false
  }

  public let store: JobStore
  let configuration: ServingConfiguration
  let repository: ModelRepository
  let datasets: DatasetStore
  let scratch: ScratchSpace
  let metrics: Metrics
  let logger: Logger
  let events = JobEvents()
  let state = Mutex(State())
  private let queue = DispatchQueue(label: "adze.jobs", attributes: .concurrent)
  private let running = DispatchGroup()

  init(
    configuration: ServingConfiguration, store: JobStore, repository: ModelRepository, datasets: DatasetStore,
    scratch: ScratchSpace, metrics: Metrics, logger: Logger
  ) {
    self.configuration = configuration
    self.store = store
    self.repository = repository
    self.datasets = datasets
    self.scratch = scratch
    self.metrics = metrics
    self.logger = logger
  }

  // MARK: Asking for jobs

  /// Queues a job that makes the next version of a model.
  /// - Parameter version: what is compressed; nil for the default version.
  /// - Throws: `.modelNotFound`, `.versionNotFound`, `.datasetNotFound`, `.overloaded`, `.shuttingDown`, `.storage`;
  ///   `.invalidName` for a model that a merge step names.
  public func compress(_ model: String, version: Int? = nil, recipe: Recipe) throws(ServingError) -> Job {
    let source = try repository.servable(model, version: version).version
    for other in recipe.otherModels { _ = try OtherModel(other).file(in: repository) }
    return try add(newJob(.version, recipe) { ($0.model, $0.source) = (model, source) }, source: nil)
  }

  /// Receives the model of a one-call compression.
  /// - Throws: `.storage`, `.storageFull`.
  public func beginSource() throws(ServingError) -> SourceUpload {
    SourceUpload(
      receiver: try UploadReceiver(
        staged: try scratch.stage(), fileName: RepositoryLayout.modelFile,
        limit: configuration.maximumModelBytes, what: "the model",
        minimumFreeBytes: configuration.minimumFreeDiskBytes, metrics: metrics.uploads, release: {}))
  }

  /// Queues a job that compresses an uploaded model into a file, to be fetched with `takeResult`.
  /// - Throws: `.datasetNotFound`, `.overloaded`, `.shuttingDown`, `.storage`.
  public func compress(_ upload: SourceUpload, recipe: Recipe) throws(ServingError) -> Job {
    let directory = try upload.finish()
    return try add(newJob(.oneCall, recipe) { _ in }, source: directory)
  }

  private func newJob(_ kind: Job.Kind, _ recipe: Recipe, _ change: (inout Job) -> Void) -> Job {
    var job = Job(
      kind: kind, created: Date().timeIntervalSince1970, label: recipe.resolvedLabel, recipe: recipe.text,
      calibration: recipe.calibration?.dataset, evaluation: recipe.evaluation?.dataset,
      mayPromote: recipe.serve == .whenPassed, searches: recipe.search != nil)
    change(&job)
    return job
  }

  private func add(_ job: Job, source: StagedDirectory?) throws(ServingError) -> Job {
    for name in [job.calibration, job.evaluation] {
      if let name { _ = try datasets.path(name) }
    }
    if state.withLock({ $0.isStopping }) { throw .shuttingDown }
    // The source is in place before a runner can take the job.
    let queued: Result<Job, ServingError> = state.withLock { state in
      do throws(ServingError) {
        let job = try store.insert(job)
        state.sources[job.id] = source
        return .success(job)
      } catch {
        return .failure(error)
      }
    }
    let job = try queued.get()
    events.publish(job)
    startWaiting()
    return job
  }

  // MARK: Following jobs

  /// Calls `handler` with the job's present state, then with each change, the final one last.
  /// - Throws: `.jobNotFound`, `.storage`.
  public func subscribe(
    _ id: Int64, _ handler: @escaping @Sendable (Job) -> Void
  ) throws(ServingError) -> JobSubscription {
    _ = try store.job(id)
    return events.subscribe(id, current: { [store] in try? store.job(id) }, handler)
  }

  /// Ends a job: a waiting one at once, a running one as soon as its process is gone. Does nothing to one that has
  /// ended.
  /// - Throws: `.jobNotFound`, `.storage`.
  public func cancel(_ id: Int64) throws(ServingError) -> Job {
    let isRunning = state.withLock { state in
      if state.wishes[id] == nil { return false }
      state.wishes[id] = .cancel
      return true
    }
    if isRunning { return try store.job(id) }
    let job = try store.update(id) { job in
      if job.state == .queued { job.end(.cancelled, error: "the job was cancelled") }
    }
    if let job, job.state.isFinal {
      _ = state.withLock { $0.sources.removeValue(forKey: id) }
      events.publish(job)
    }
    return try store.job(id)
  }

  /// Asks a running job that searches to finish with the best found so far; it is then `done` with model and report.
  /// A second call, and the first for any other job, is `cancel`.
  /// - Throws: `.jobNotFound`, `.storage`.
  public func stop(_ id: Int64) throws(ServingError) -> Job {
    let job = try store.job(id)
    let isAsked = state.withLock { state in
      if !job.searches || state.wishes[id] != .goOn { return false }
      state.wishes[id] = .finish
      return true
    }
    return isAsked ? job : try cancel(id)
  }

  /// The file that a one-call job made; can be taken once.
  /// - Throws: `.jobNotFound` when there is no such result (any more).
  public func takeResult(_ id: Int64) throws(ServingError) -> OpenFile {
    let result = state.withLock { $0.results.removeValue(forKey: id) }
    guard let result else { throw .jobNotFound(id: id) }
    // The directory goes with `result`; the open file stays readable.
    return try OpenFile(path: result.directory.path + "/" + RepositoryLayout.modelFile)
  }

  /// Removes results that nobody came for.
  func forgetOldResults() {
    let removed = state.withLock { state in
      let old = state.results.filter { $0.value.expires <= .now }
      for id in old.keys { state.results[id] = nil }
      return old
    }
    withExtendedLifetime(removed) {}
  }

  // MARK: Running

  /// Ends what an earlier server left unfinished, then goes on with its waiting jobs.
  func start() throws(ServingError) {
    for job in try store.unfinished() where job.state == .running || job.kind == .oneCall {
      _ = try conclude(
        job, .interrupted, error: "the server stopped while the job was waiting or running")
    }
    startWaiting()
  }

  /// Ends a job as `done` if it has published its version, else as `state`.
  private func conclude(_ job: Job, _ state: JobState, error: String) throws(ServingError) -> Job? {
    let made = madeVersion(of: job)
    return try store.update(job.id) { job in
      if let made {
        (job.version, job.report) = (made.version, made.report)
        job.end(.done, error: nil)
      } else {
        job.end(state, error: error)
      }
    }
  }

  /// The end of a job that threw, written as soon as it can be: a full disk leaves no job `running`.
  private func concludeFailed(_ job: Job, _ reason: ServingError) -> Job? {
    while true {
      do throws(ServingError) {
        return try conclude(job, .failed, error: "\(reason)")
      } catch {
        if state.withLock({ $0.isStopping }) { return nil }
        logger.error(
          "the end of a job cannot be written yet", metadata: ["job": "\(job.id)", "reason": "\(error)"])
        sleep(1)
      }
    }
  }

  /// The version that a job published right before its server ended.
  private func madeVersion(of job: Job) -> (version: Int, report: String?)? {
    guard let model = job.model, let entries = try? repository.versions(of: model) else { return nil }
    guard let entry = entries.last(where: { $0.manifest?.job == job.id }) else { return nil }
    let report = (try? repository.report(model, version: entry.version)) ?? nil
    return (entry.version, report.map { String(decoding: $0, as: UTF8.self) })
  }

  /// Ends the running jobs' processes and waits for them; waiting jobs go on at the next start.
  func stop() {
    state.withLock { $0.isStopping = true }
    running.wait()
  }

  private func startWaiting() {
    let started = state.withLock { state -> [Job] in
      var started: [Job] = []
      while !state.isStopping && state.wishes.count < configuration.concurrentJobs {
        guard let job = (try? store.startNext(at: Date().timeIntervalSince1970)) ?? nil else { break }
        state.wishes[job.id] = .goOn
        started.append(job)
      }
      return started
    }
    for job in started {
      events.publish(job)
      queue.async(group: running) { [self] in
        run(job)
        startWaiting()
      }
    }
  }

  private func run(_ job: Job) {
    logger.info("job started", metadata: ["job": "\(job.id)"])
    let ended: Job?
    do throws(ServingError) {
      ended = try JobRun(job: job, runner: self).run()
    } catch {
      ended = concludeFailed(job, error)
    }
    state.withLock { state in
      state.wishes[job.id] = nil
      state.sources[job.id] = nil
    }
    guard let ended else { return }
    metrics.jobs.count(ended)
    events.publish(ended)
    logger.info(
      "job ended",
      metadata: ["job": "\(job.id)", "state": "\(ended.state.rawValue)", "error": "\(ended.error ?? "")"])
  }
}

extension Job {
  mutating func end(_ state: JobState, error: String?) {
    self.state = state
    self.error = error
    finished = Date().timeIntervalSince1970
    secondsLeft = nil
    if state == .done { (progress, stage) = (1, "done") }
  }
}

/// A model being uploaded for a one-call compression. Blocks on the disk: keep it off event loops.
public final class SourceUpload: Sendable {
  private let receiver: UploadReceiver

  init(receiver: UploadReceiver) { self.receiver = receiver }

  /// - Throws: `.tooLarge`, `.storageFull`, `.storage`; the upload has then ended.
  public func append(_ bytes: [UInt8]) throws(ServingError) { try receiver.append(bytes) }

  /// Ends the upload and removes what arrived.
  public func abort() { receiver.abort() }

  func finish() throws(ServingError) -> StagedDirectory {
    _ = try receiver.finish()
    receiver.markStored()
    return receiver.staged
  }
}
