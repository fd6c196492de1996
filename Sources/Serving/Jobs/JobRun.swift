import Compression
import FoundationEssentials
import Synchronization

/// One job from its process's start to its published result.
struct JobRun {
  let job: Job
  let runner: JobRunner

  private static let progressInterval = Duration.milliseconds(200)

  /// What the server reads of a report.
  private struct Verdict: Decodable {
    var promote: Bool?
  }

  /// Returns the ended job; nil when it had ended otherwise meanwhile.
  func run() throws(ServingError) -> Job? {
    let work = try runner.scratch.stage()
    let output = try runner.repository.stage()
    let process = try child(work: work.path, output: output.path)
    let progress = ProgressRecorder(job.id, runner, interval: Self.progressInterval)
    let result = try process.run(wish: { wish }, onLine: progress.receive)
    if result.end == .cancelled {
      let (isStopping, wish) = runner.state.withLock { ($0.isStopping, $0.wishes[job.id]) }
      return try runner.store.update(job.id) { $0.endUnwanted(isStopping, wish, runner.configuration) }
    }
    let hidden = [
      output.path, work.path, runner.configuration.modelsDirectory, runner.configuration.dataDirectory,
    ]
    if let error = JobError.text(result, timeLimit: runner.configuration.jobTimeLimitSeconds, hiding: hidden)
    {
      return try runner.store.update(job.id) { $0.end(.failed, error: error) }
    }
    return try accept(output)
  }

  private var wish: ChildProcess.Wish {
    runner.state.withLock { $0.isStopping ? .cancel : $0.wishes[job.id] ?? .goOn }
  }

  // MARK: The process

  private func child(work: String, output: String) throws(ServingError) -> ChildProcess {
    let recipe = work + "/recipe.json"
    try FileSystem.writeAtomically(Array(job.recipe.utf8), to: recipe)
    var arguments = [
      "compress", try source(), output + "/" + RepositoryLayout.modelFile, "--recipe", recipe,
      "--report", output + "/" + RepositoryLayout.reportFile, "--progress-json",
    ]
    if let name = job.calibration { arguments += ["--calibration", try runner.datasets.path(name)] }
    if let name = job.evaluation { arguments += ["--evaluation", try runner.datasets.path(name)] }
    arguments += try others()
    let configuration = runner.configuration
    if configuration.jobMemoryBytes > 0 {
      arguments += ["--memory-limit", "\(configuration.jobMemoryBytes)"]
    }
    arguments += ["--time-limit", "\(configuration.jobTimeLimitSeconds)"]
    return ChildProcess(
      executable: configuration.executablePath, arguments: arguments,
      environment: ChildEnvironment.make(home: work), directory: work,
      timeLimit: .seconds(configuration.jobTimeLimitSeconds),
      killGrace: .seconds(configuration.jobKillGraceSeconds),
      finishGrace: .seconds(configuration.jobStopGraceSeconds),
      niceness: configuration.jobNiceness)
  }

  private func others() throws(ServingError) -> [String] {
    // It was read when the job was queued.
    guard let recipe = try? Recipe.parse(Array(job.recipe.utf8)) else { return [] }
    var arguments: [String] = []
    for name in recipe.otherModels {
      arguments += ["--other", "\(name)=\(try OtherModel(name).file(in: runner.repository))"]
    }
    return arguments
  }

  private func source() throws(ServingError) -> String {
    if let model = job.model, let version = job.source {
      return try runner.repository.stored(model, version).directory
        + "/" + RepositoryLayout.modelFile
    }
    guard let source = runner.state.withLock({ $0.sources[job.id] }) else {
      throw .conflict(reason: "the uploaded model is gone")
    }
    return source.path + "/" + RepositoryLayout.modelFile
  }

  // MARK: The result

  private func accept(_ output: StagedDirectory) throws(ServingError) -> Job? {
    let limit = runner.configuration.maximumReportBytes
    guard let report = FileSystem.read(output.path + "/" + RepositoryLayout.reportFile, limit: limit),
      let verdict = try? JSONDecoder().decode(Verdict.self, from: Data(report))
    else { throw .storage(reason: "the job wrote no valid report") }
    let digest: FileDigest
    do throws(ServingError) {
      _ = try IncomingFile.adopt(
        path: output.path + "/" + RepositoryLayout.reportFile, limit: limit, what: "the report")
      digest = try IncomingFile.adopt(
        path: output.path + "/" + RepositoryLayout.modelFile, limit: runner.configuration.maximumModelBytes,
        what: "the compressed model")
    } catch {
      throw .storage(reason: "the job's result cannot be read: \(error)")
    }
    let version = try publish(output, digest, promote: job.mayPromote && verdict.promote == true)
    return try runner.store.update(job.id) { job in
      job.version = version
      job.report = String(decoding: report, as: UTF8.self)
      job.end(.done, error: nil)
    }
  }

  /// The version that the result became; nil for a one-call result, which is kept to be fetched.
  private func publish(_ output: StagedDirectory, _ digest: FileDigest, promote: Bool) throws(ServingError)
    -> Int?
  {
    guard let model = job.model else {
      let expires = ContinuousClock.now + .seconds(runner.configuration.resultRetentionSeconds)
      runner.state.withLock { $0.results[job.id] = (directory: output, expires: expires) }
      return nil
    }
    let publication = Publication(
      name: model, version: nil, digest: digest, label: job.label, job: job.id, source: job.source,
      servesByDefault: promote)
    return try runner.repository.publish(output, as: publication).version
  }
}

extension Job {
  /// Ends a job whose process was not let go on.
  fileprivate mutating func endUnwanted(
    _ isStopping: Bool, _ wish: ChildProcess.Wish?, _ configuration: ServingConfiguration
  ) {
    if isStopping && wish != .cancel {
      end(.interrupted, error: "the server stopped while the job ran")
    } else if wish == .finish {
      let seconds = configuration.jobStopGraceSeconds
      end(.cancelled, error: "the job did not finish within \(seconds) seconds of being asked to")
    } else {
      end(.cancelled, error: "the job was cancelled")
    }
  }
}

/// Writes a job's progress to the database and to its subscribers, at a bounded rate.
private final class ProgressRecorder {
  private let id: Int64
  private let runner: JobRunner
  private let interval: Duration
  private var next = ContinuousClock.now

  init(_ id: Int64, _ runner: JobRunner, interval: Duration) {
    self.id = id
    self.runner = runner
    self.interval = interval
  }

  func receive(_ line: [UInt8]) {
    guard let progress = ProgressLine.parse(line), .now >= next else { return }
    next = .now + interval
    let job = try? runner.store.update(id) { job in
      job.stage = progress.stage
      job.progress = progress.progress
      job.secondsLeft = progress.secondsLeft
    }
    if let job = job ?? nil { runner.events.publish(job) }
  }
}
