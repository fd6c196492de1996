import Compression
import Foundation
import GRDB
import GraphIR
import Synchronization
import Tensors
import Testing

@testable import Serving

/// A core whose jobs run a shell script in the place of `adze compress`. The script finds the paths in `$input`,
/// `$output`, `$report` and `$recipe`.
private struct JobRig {
  var rig: CoreRig

  init(_ script: String, _ change: (inout ServingConfiguration) -> Void = { _ in }) {
    rig = CoreRig(change)
    let program = """
      #!/bin/sh
      input=$2; output=$3; all="$*"
      while [ $# -gt 0 ]; do
        case "$1" in --report) report=$2;; --recipe) recipe=$2;; --calibration) calibration=$2;; esac
        shift
      done
      \(script)
      """
    rig.directory.write(program, "stand-in")
    try? FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: rig.directory.path + "/stand-in")
    rig.configuration.executablePath = rig.directory.path + "/stand-in"
  }

  /// A started core with the model `m`.
  func started() throws -> ServingCore {
    let core = try rig.started()
    if core.repository.index().isEmpty { _ = try CoreRig.upload(core, "m") }
    return core
  }

  static let recipe: Recipe = {
    guard let recipe = try? Recipe.parse(Array(#"{"steps":[{"quantize":{}}],"label":"small"}"#.utf8)) else {
      preconditionFailure("the recipe is valid")
    }
    return recipe
  }()

  static func finished(_ core: ServingCore, _ id: Int64) throws -> Job {
    #expect(try eventually { try core.jobs.store.job(id).state.isFinal })
    return try core.jobs.store.job(id)
  }
}

private let succeed = #"cp "$input" "$output"; echo '{"promote":true,"verdict":"fine"}' > "$report""#

@Suite struct JobTests {
  @Test func aJobMakesTheNextVersion() throws {
    let rig = JobRig(#"cp "$recipe" ../../../seen-recipe; echo "$all" > ../../../seen; "# + succeed)
    let core = try rig.started()
    let queued = try core.jobs.compress("m", recipe: JobRig.recipe)
    #expect(queued.model == "m")
    #expect(queued.source == 1)
    let job = try JobRig.finished(core, queued.id)
    #expect(job.state == .done)
    #expect(job.error == nil)
    #expect(job.version == 2)
    #expect(job.progress == 1)
    #expect(job.report?.contains("fine") == true)
    #expect(try core.repository.servable("m").version == 2)
    #expect(try CoreRig.infer(core, "m", version: 2) == CoreRig.expected)
    #expect(try core.repository.version(of: "m", label: "small") == 2)
    #expect(
      try core.repository.report("m", version: 2).map { String(decoding: $0, as: UTF8.self) } == job.report)
    #expect(eventually { rig.rig.directory.contents("models/.incoming").isEmpty })
    #expect(eventually { rig.rig.directory.contents("state/scratch").isEmpty })
    // Counted once the job is known to be over.
    #expect(eventually { core.metrics.jobs.done.value == 1 })
    let object = try JSONSerialization.jsonObject(with: Data(job.json())) as? [String: Any]
    #expect(object?["state"] as? String == "done")
    #expect(object?["version"] as? Int == 2)
    #expect((object?["report"] as? [String: Any])?["promote"] as? Bool == true)
    #expect((object?["recipe"] as? [String: Any])?["label"] as? String == "small")
    let arguments = try String(contentsOfFile: rig.rig.directory.path + "/seen", encoding: .utf8)
    for part in [
      "compress /", "/models/m/1/model.onnx", "--progress-json", "--memory-limit 8589934592",
      "--time-limit 3600",
    ] {
      #expect(arguments.contains(part))
    }
    core.stop()
  }

  @Test(arguments: [
    (#"{"promote":false}"#, "when_passed"), (#"{}"#, "when_passed"), (#"{"promote":true}"#, "never"),
  ])
  func aResultThatMayNotBecomesNoDefault(report: String, serve: String) throws {
    let rig = JobRig("cp \"$input\" \"$output\"; echo '\(report)' > \"$report\"")
    let core = try rig.started()
    let recipe = try Recipe.parse(Array(#"{"steps":[{"quantize":{}}],"serve":"\#(serve)"}"#.utf8))
    let job = try JobRig.finished(core, try core.jobs.compress("m", recipe: recipe).id)
    #expect(job.version == 2)
    #expect(try core.repository.servable("m").version == 1)
    #expect(try core.repository.servable("m", version: 2).version == 2)
    core.stop()
  }

  @Test(arguments: [
    ("echo some; echo 'Error: no such operator' >&2; exit 1", "no such operator"),
    ("exit 7", "exit code 7"),
    ("kill -KILL $$", "signal 9 (SIGKILL)"),
    ("kill -SEGV $$", "signal 11 (SIGSEGV)"),
    ("exit 0", "no valid report"),
    (#"cp "$input" "$output"; echo 'no json' > "$report""#, "no valid report"),
    (#"echo '{}' > "$report""#, "result cannot be read"),
    (#"echo nonsense > "$output"; echo '{}' > "$report""#, ""),
    (#"ln -s /etc/passwd "$output"; echo '{}' > "$report""#, "result cannot be read"),
  ])
  func aFailureSaysWhyAndPublishesNothing(script: String, reason: String) throws {
    let rig = JobRig(script)
    let core = try rig.started()
    let job = try JobRig.finished(core, try core.jobs.compress("m", recipe: JobRig.recipe).id)
    #expect(job.state == .failed)
    #expect(job.error?.isEmpty == false)
    #expect(reason.isEmpty || job.error?.contains(reason) == true, "\(job.error ?? "")")
    #expect(job.error?.contains(rig.rig.directory.path) == false)
    #expect(try core.repository.versions(of: "m").map(\.version) == [1])
    #expect(eventually { rig.rig.directory.contents("models/.incoming").isEmpty })
    #expect(try CoreRig.infer(core, "m") == CoreRig.expected)
    core.stop()
  }

  @Test func aJobThatTakesTooLongFails() throws {
    let rig = JobRig("sleep 60") { $0.jobTimeLimitSeconds = 1 }
    let core = try rig.started()
    let job = try JobRig.finished(core, try core.jobs.compress("m", recipe: JobRig.recipe).id)
    #expect(job.state == .failed)
    #expect(job.error == "the job took longer than its limit of 1 seconds")
    core.stop()
  }

  @Test func jobsAreCancelledWhetherTheyWaitOrRun() throws {
    let rig = JobRig("sleep 60")
    let core = try rig.started()
    let running = try core.jobs.compress("m", recipe: JobRig.recipe)
    let waiting = try core.jobs.compress("m", recipe: JobRig.recipe)
    #expect(try eventually { try core.jobs.store.job(running.id).state == .running })
    #expect(try core.jobs.store.job(waiting.id).state == .queued)
    #expect(try core.jobs.cancel(waiting.id).state == .cancelled)
    _ = try core.jobs.cancel(running.id)
    #expect(try JobRig.finished(core, running.id).state == .cancelled)
    #expect(try core.jobs.cancel(running.id).state == .cancelled)
    #expect(throws: ServingError.jobNotFound(id: 99)) { try core.jobs.cancel(99) }
    core.stop()
  }

  private static let search: Recipe = {
    var recipe = Recipe(steps: [])
    recipe.search = Recipe.Search()
    return recipe
  }()

  @Test func aDeletedSearchBringsItsBest() throws {
    let rig = JobRig("finish() { \(succeed); exit 0; }; trap finish TERM; while true; do sleep 0.02; done")
    let core = try rig.started()
    let job = try core.jobs.compress("m", recipe: Self.search)
    #expect(try eventually { try core.jobs.store.job(job.id).state == .running })
    // Time to set its trap.
    usleep(300_000)
    #expect(try core.jobs.stop(job.id).state == .running)
    let ended = try JobRig.finished(core, job.id)
    #expect(ended.state == .done)
    #expect(ended.version == 2)
    #expect(ended.report?.contains("fine") == true)
    core.stop()
  }

  @Test func aSecondDeletionCancelsASearch() throws {
    let rig = JobRig("trap '' TERM; while true; do sleep 0.02; done") { $0.jobKillGraceSeconds = 0 }
    let core = try rig.started()
    let job = try core.jobs.compress("m", recipe: Self.search)
    #expect(try eventually { try core.jobs.store.job(job.id).state == .running })
    _ = try core.jobs.stop(job.id)
    usleep(200_000)
    #expect(try core.jobs.store.job(job.id).state == .running)
    _ = try core.jobs.stop(job.id)
    let ended = try JobRig.finished(core, job.id)
    #expect(ended.state == .cancelled)
    #expect(ended.error == "the job was cancelled")
    #expect(try core.repository.versions(of: "m").map(\.version) == [1])
    core.stop()
  }

  @Test func aSearchThatDoesNotFinishIsCancelled() throws {
    let rig = JobRig("trap '' TERM; while true; do sleep 0.02; done") { $0.jobStopGraceSeconds = 0 }
    let core = try rig.started()
    let job = try core.jobs.compress("m", recipe: Self.search)
    #expect(try eventually { try core.jobs.store.job(job.id).state == .running })
    _ = try core.jobs.stop(job.id)
    let ended = try JobRig.finished(core, job.id)
    #expect(ended.state == .cancelled)
    #expect(ended.error == "the job did not finish within 0 seconds of being asked to")
    core.stop()
  }

  @Test func timeLeftIsTold() throws {
    let rig = JobRig(
      #"echo '{"stage":"search","progress":0.25,"seconds_left":7.25}'; sleep 60"#)
    let core = try rig.started()
    let job = try core.jobs.compress("m", recipe: JobRig.recipe)
    #expect(try eventually { try core.jobs.store.job(job.id).secondsLeft == 7.25 })
    let text = String(decoding: try core.jobs.store.job(job.id).json(), as: UTF8.self)
    #expect(text.contains(#""stage":"search","seconds_left":7.3,"#))
    #expect(try core.jobs.store.list().first?.secondsLeft == 7.25)
    _ = try core.jobs.stop(job.id)
    let ended = try JobRig.finished(core, job.id)
    #expect(ended.state == .cancelled)
    #expect(ended.secondsLeft == nil)
    core.stop()
  }

  @Test func waitingJobsAreLimited() throws {
    let rig = JobRig("sleep 60") { $0.maximumQueuedJobs = 1 }
    let core = try rig.started()
    _ = try core.jobs.compress("m", recipe: JobRig.recipe)
    #expect(try eventually { try core.jobs.store.job(1).state == .running })
    _ = try core.jobs.compress("m", recipe: JobRig.recipe)
    #expect(throws: ServingError.overloaded(reason: "1 jobs are waiting already")) {
      try core.jobs.compress("m", recipe: JobRig.recipe)
    }
    core.stop()
    #expect(throws: ServingError.self) { try core.jobs.compress("m", recipe: JobRig.recipe) }
  }

  @Test func unknownModelsAndDatasetsAreRefused() throws {
    let rig = JobRig(succeed)
    let core = try rig.started()
    #expect(throws: ServingError.modelNotFound(name: "x")) {
      try core.jobs.compress("x", recipe: JobRig.recipe)
    }
    #expect(throws: ServingError.versionNotFound(name: "m", version: 5)) {
      try core.jobs.compress("m", version: 5, recipe: JobRig.recipe)
    }
    let recipe = try Recipe.parse(
      Array(#"{"steps":[{"quantize":{}}],"calibration":{"dataset":"none"}}"#.utf8))
    #expect(throws: ServingError.datasetNotFound(name: "none")) {
      try core.jobs.compress("m", recipe: recipe)
    }
    #expect(try core.jobs.store.list().isEmpty)
    core.stop()
  }

  @Test func otherModelsReachTheJobByTheirPaths() throws {
    let rig = JobRig(#"echo "$all" > ../../../seen; "# + succeed)
    let core = try rig.started()
    _ = try CoreRig.upload(core, "n")
    let recipe = try Recipe.parse(
      Array(#"{"steps":[{"merge":{"model":"n/1"}},{"merge":{"model":"n"}},{"merge":{"model":"n/1"}}]}"#.utf8))
    let job = try JobRig.finished(core, try core.jobs.compress("m", recipe: recipe).id)
    #expect(job.state == .done)
    let arguments = try String(contentsOfFile: rig.rig.directory.path + "/seen", encoding: .utf8)
    let path = rig.rig.directory.path + "/models/n/1/model.onnx"
    #expect(arguments.contains("--other n/1=\(path) --other n=\(path) --memory-limit"))
    core.stop()
  }

  /// What a merge step names is a model's name and nothing else.
  @Test(arguments: [
    ("x", ServingError.modelNotFound(name: "x")), ("m/7", .versionNotFound(name: "m", version: 7)),
    ("../m", .invalidName("..")), ("m/../m", .invalidName("../m")), ("m/", .invalidName("")),
    ("/etc/passwd", .invalidName("")), ("m/1/..", .invalidName("1/..")), ("", .invalidName("")),
  ]) func otherModelsAreRefused(name: String, error: ServingError) throws {
    let rig = JobRig(succeed)
    let core = try rig.started()
    let recipe = Recipe(steps: [.merge(MergeStep(model: name))])
    #expect(throws: error) { try core.jobs.compress("m", recipe: recipe) }
    #expect(try core.jobs.store.list().isEmpty)
    core.stop()
  }

  @Test func datasetsReachTheJob() throws {
    let rig = JobRig(#"[ -s "$calibration" ] || exit 9; "# + succeed)
    let core = try rig.started()
    let upload = try core.datasets.beginUpload("data")
    try upload.append(try Npz.encode([(name: "x", tensor: try Tensor(type: .float32, shape: [3, 4]))]))
    _ = try upload.finish()
    let recipe = try Recipe.parse(
      Array(#"{"steps":[{"quantize":{}}],"calibration":{"dataset":"data"}}"#.utf8))
    let job = try JobRig.finished(core, try core.jobs.compress("m", recipe: recipe).id)
    #expect(job.state == .done, "\(job.error ?? "")")
    core.stop()
  }

  @Test func subscribersSeeEveryStateInOrder() throws {
    let rig = JobRig(
      #"echo '{"stage":"prune","progress":0.5}'; until [ -e ../../../go ]; do sleep 0.02; done; "# + succeed)
    let core = try rig.started()
    let job = try core.jobs.compress("m", recipe: JobRig.recipe)
    let seen = Mutex<[Job]>([])
    let subscription = try core.jobs.subscribe(job.id) { job in seen.withLock { $0.append(job) } }
    #expect(eventually { seen.withLock { $0.last?.stage == "prune" } })
    rig.rig.directory.write("", "go")
    #expect(eventually { seen.withLock { $0.last?.state == .done } })
    subscription.cancel()
    let jobs = seen.withLock { $0 }
    #expect(jobs.contains { $0.stage == "prune" && $0.progress == 0.5 && $0.state == .running })
    #expect(jobs.filter(\.state.isFinal).count == 1)
    let late = Mutex<[JobState]>([])
    let second = try core.jobs.subscribe(job.id) { job in late.withLock { $0.append(job.state) } }
    #expect(eventually { late.withLock { $0 == [.done] } })
    withExtendedLifetime(second) {}
    core.stop()
  }

  // MARK: One call

  @Test func aOneCallResultIsFetchedOnce() throws {
    let rig = JobRig(succeed)
    let core = try rig.started()
    let bytes = try TestModels.product().serialized()
    let upload = try core.jobs.beginSource()
    try upload.append(bytes)
    let job = try JobRig.finished(core, try core.jobs.compress(upload, recipe: JobRig.recipe).id)
    #expect(job.state == .done, "\(job.error ?? "")")
    #expect(job.version == nil)
    let file = try core.jobs.takeResult(job.id)
    #expect(file.readAll() == bytes)
    #expect(throws: ServingError.jobNotFound(id: job.id)) { try core.jobs.takeResult(job.id) }
    #expect(core.repository.index().map(\.name) == ["m"])
    // The thread that ran the job may be about to let go of its folder.
    #expect(eventually { rig.rig.directory.contents("models/.incoming").isEmpty })
    core.stop()
  }

  @Test func resultsThatNobodyFetchesGo() throws {
    let rig = JobRig(succeed) { $0.resultRetentionSeconds = 1 }
    let core = try rig.started()
    let upload = try core.jobs.beginSource()
    try upload.append([1, 2, 3])
    let job = try JobRig.finished(core, try core.jobs.compress(upload, recipe: JobRig.recipe).id)
    #expect(job.state == .done)
    #expect(eventually { rig.rig.directory.contents("models/.incoming").isEmpty })
    core.stop()
  }

  // MARK: Restart

  @Test func aStopInterruptsRunningJobsAndKeepsWaitingOnes() throws {
    let rig = JobRig("[ -e ../../../second ] || sleep 60; " + succeed)
    let first = try rig.started()
    let running = try first.jobs.compress("m", recipe: JobRig.recipe)
    let waiting = try first.jobs.compress("m", recipe: JobRig.recipe)
    #expect(try eventually { try first.jobs.store.job(running.id).state == .running })
    first.stop()
    #expect(try first.jobs.store.job(running.id).state == .interrupted)
    #expect(try first.jobs.store.job(waiting.id).state == .queued)
  }

  @Test func jobsOfAKilledServerAreInterruptedOrResumed() throws {
    let rig = JobRig(succeed)
    do {
      let core = try rig.started()
      core.stop()
    }
    // What a killed server leaves: a running, a waiting, a one-call job, and one that published and was not marked.
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(20)  // threads of the stopped server may still hold its connection
      let database = try DatabaseQueue(
        path: rig.rig.directory.path + "/state/adze.sqlite", configuration: configuration)
      try database.write { database in
        for (state, kind) in [
          ("running", "version"), ("queued", "version"), ("queued", "one_call"), ("running", "version"),
        ] {
          try database.execute(
            sql: """
              INSERT INTO job (kind, state, progress, stage, created, model, source, recipe, mayPromote)
              VALUES (?, ?, 0.5, 'prune', 1, ?, 1, '{}', 0)
              """, arguments: [kind, state, kind == "version" ? "m" : nil])
        }
      }
    }
    let published = rig.rig.directory.path + "/models/m/5"
    try FileManager.default.copyItem(atPath: rig.rig.directory.path + "/models/m/1", toPath: published)
    try VersionManifest(sha256: "", bytes: 1, created: 1, job: 4, sequence: 2, servesByDefault: false)
      .write(directory: published)
    let core = try rig.started()
    #expect(try eventually { try core.jobs.store.job(2).state == .done })
    let states = try (1...4).map { try core.jobs.store.job($0).state }
    #expect(states == [.interrupted, .done, .interrupted, .done])
    #expect(try core.jobs.store.job(4).version == 5)
    #expect(try core.jobs.store.job(2).version == 6)
    core.stop()
  }

  @Test func oldJobsAreForgotten() throws {
    let rig = JobRig("exit 1") { $0.maximumFinishedJobs = 2 }
    let core = try rig.started()
    for _ in 0..<5 {
      let job = try core.jobs.compress("m", recipe: JobRig.recipe)
      _ = try JobRig.finished(core, job.id)
    }
    // The limit is kept when a job is added, so the one that ended last may be one too many.
    #expect(try core.jobs.store.list().map(\.id) == [5, 4, 3])
    #expect(try core.jobs.store.list(limit: 1, before: 5).map(\.id) == [4])
    core.stop()
  }
}
