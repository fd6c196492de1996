import Synchronization
import Tensors

/// Runs the rows of a batch by themselves (`RowSplit`): one on each thread of the team at a time, the last few on all
/// threads. Confined to the session that owns it.
final class RowLanes {
  /// Computes a row with the whole team.
  private let shared: Session
  /// One for each thread; empty for a team of one.
  private let lanes: [Session]
  /// Tells lanes on other threads to end, as only the calling thread may ask the session's own question.
  private let stop = StopFlag()

  /// The share of a run's memory that each session gets, and the batch's inputs and outputs.
  let arenaLimit: Int

  /// - Parameter arenaLimit: the most bytes that everything may take together.
  init(_ program: Program, team: ThreadTeam, arenaLimit: Int) {
    let laneCount = team.threads == 1 ? 0 : team.threads
    let share = arenaLimit / (laneCount + 2)
    let alone = ThreadTeam(threads: 1)
    shared = Session(program, team: team, arenaLimit: share)
    lanes = (0..<laneCount).map { _ in Session(program, team: alone, arenaLimit: share) }
    self.arenaLimit = share
    for lane in lanes.dropFirst() { lane.isCancelled = { [stop] in stop.isSet } }
  }

  var arenaBytes: Int { lanes.reduce(shared.arenaBytes) { $0 + $1.arenaBytes } }

  /// Makes the plans that a run of `rows` needs.
  func prepare(_ rows: RowSplit) throws(EngineError) {
    let onThreads = rows.rowsOnThreads(of: shared.team)
    if onThreads < rows.count { try shared.prepare(rows.shapes) }
    if onThreads > 0 { for lane in lanes { try lane.prepare(rows.shapes) } }
  }

  /// Computes all rows of `batch`. With a profiler, every row is computed by all threads, so that the time of a node
  /// is that of a run.
  /// - Throws: what `Session.execute` throws.
  func run(_ batch: BatchMemory, _ isCancelled: (() -> Bool)?, _ profiler: Profiler?) throws(EngineError) {
    shared.isCancelled = isCancelled
    shared.profiler = profiler
    defer {
      shared.isCancelled = nil
      shared.profiler = nil
    }
    if profiler != nil { try shared.prepare(batch.rows.shapes) }
    let onThreads = profiler == nil ? batch.rows.rowsOnThreads(of: shared.team) : 0
    if onThreads > 0 { try share(onThreads, of: batch, isCancelled) }
    for row in onThreads..<batch.rows.count { try batch.run(row, on: shared) }
  }

  private struct Job {
    let lanes: [Session]
    let batch: BatchMemory
    let stop: StopFlag
    /// One for each thread, so that no two write the same one.
    let failures: UnsafeMutablePointer<EngineError?>
  }

  private func share(_ rows: Int, of batch: BatchMemory, _ isCancelled: (() -> Bool)?) throws(EngineError) {
    // The calling thread is the team's worker 0.
    lanes[0].isCancelled = isCancelled
    defer { lanes[0].isCancelled = nil }
    stop.clear()
    let failure = withUnsafeTemporaryAllocation(of: EngineError?.self, capacity: lanes.count) { failures in
      failures.initialize(repeating: nil)
      defer { failures.deinitialize() }
      var job = Job(lanes: lanes, batch: batch, stop: stop, failures: failures.baseAddress!)
      withUnsafeMutablePointer(to: &job) { job in
        shared.team.dispatch(rows, context: job) { context, row, worker in
          RowLanes.run(row, context.assumingMemoryBound(to: Job.self).pointee, worker)
        }
      }
      return Self.first(of: failures)
    }
    if let failure { throw failure }
  }

  private static func run(_ row: Int, _ job: Job, _ worker: Int) {
    if job.stop.isSet { return }
    do throws(EngineError) {
      try job.batch.run(row, on: job.lanes[worker])
    } catch {
      job.failures[worker] = error
      job.stop.set()
    }
  }

  /// What went wrong rather than that the others were told to end.
  private static func first(of failures: UnsafeMutableBufferPointer<EngineError?>) -> EngineError? {
    var first: EngineError?
    for case let failure? in failures {
      if case .cancelled = failure { first = first ?? failure } else { return failure }
    }
    return first
  }
}

/// The inputs and outputs of a batch, row after row.
struct BatchMemory {
  let plan: Plan
  let rows: RowSplit
  let base: UnsafeMutableRawPointer

  /// Computes one row on `session`, which has the plan for it.
  func run(_ row: Int, on session: Session) throws(EngineError) {
    for (index, type) in rows.inputs.enumerated() {
      let from = UnsafeRawBufferPointer(bytes(row, type, plan.inputs[index]))
      session.withInputBytes(index) { $0.copyMemory(from: from) }
    }
    try session.execute()
    for (index, type) in rows.outputs.enumerated() {
      let to = bytes(row, type, plan.outputs[index])
      session.withOutputBytes(index) { to.copyMemory(from: $0) }
    }
  }

  private func bytes(_ row: Int, _ type: OperandType, _ place: Place) -> UnsafeMutableRawBufferPointer {
    guard case .arena(let offset, _) = place else { preconditionFailure("rows lie in the arena") }
    let size = type.byteCount
    return UnsafeMutableRawBufferPointer(start: base + (offset + row * size), count: size)
  }
}

private final class StopFlag: Sendable {
  private let flag = Atomic<Bool>(false)

  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
  func clear() { flag.store(false, ordering: .relaxed) }
}
