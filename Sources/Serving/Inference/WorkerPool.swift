import Engine
import Glibc

/// The threads that run models. They pull: a free one takes the next batch of the next model in turn, so batches grow
/// by themselves while all are busy, and a busy model cannot starve a quiet one.
///
/// The pool holds one token per compute thread. A batch takes one; when nothing else waits it takes those of idle
/// workers too and runs on that many threads. So there are never more runnable compute threads than tokens.
///
/// The pool's lock is the last one taken, and nobody is called back under it.
public final class WorkerPool: Sendable {
  private struct State {
    /// Queues that hold requests, in turn order.
    var turn: [RequestQueue] = []
    var freeThreads: Int
    var teams: ComputeTeams
    var queuedBytes = 0
    var isStopping = false
    var workers: [ComputeThread] = []
  }

  private struct Work {
    var batch: Batch?
    var team: ComputeTeam?
    var obsolete: [(pending: PendingRequest, error: ServingError)] = []
    /// Tokens that the batch holds.
    var threads: Int { batch == nil ? 0 : team?.threads ?? 1 }
  }

  /// Compute threads.
  public let threads: Int
  let clock: any ServingClock
  private let maximumQueuedRequests: Int
  private let maximumQueuedBytes: Int
  private let monitor: Monitor<State>

  /// - Parameter clock: measures deadlines and delays.
  public init(configuration: ServingConfiguration, clock: any ServingClock = MonotonicClock()) {
    let threads = max(
      configuration.workerThreads == 0 ? CPU.threadsAvailable : configuration.workerThreads, 1)
    let intraOp = configuration.intraOpThreads == 0 ? threads : configuration.intraOpThreads
    self.threads = threads
    self.clock = clock
    maximumQueuedRequests = configuration.maximumQueuedRequests
    maximumQueuedBytes = configuration.maximumQueuedBytes
    monitor = Monitor(State(freeThreads: threads, teams: ComputeTeams(threads: threads, largest: intraOp)))
  }

  /// Starts the threads; what is submitted before waits until then. Call once.
  public func start() {
    let workers = (0..<threads).map { index in
      ComputeThread(name: "adze-worker-\(index)") { [self] in work() }
    }
    monitor.withLock { $0.workers = workers }
  }

  /// Refuses new requests, finishes the waiting ones and ends the threads.
  public func stop() {
    let workers = monitor.withLock { state in
      state.isStopping = true
      defer { state.workers = [] }
      return state.workers
    }
    monitor.wakeAll()
    for worker in workers { worker.join() }
  }

  /// Puts a request into its model's queue.
  /// - Throws: `.overloaded`, `.shuttingDown`.
  func submit(_ pending: PendingRequest, to queue: RequestQueue) throws(ServingError) {
    let (requests, bytes) = (maximumQueuedRequests, maximumQueuedBytes)
    let refusal: ServingError? = monitor.withLock { state in
      if state.isStopping { return .shuttingDown }
      if queue.count >= requests { return .overloaded(reason: "\(requests) requests are waiting already") }
      if pending.bytes > bytes - state.queuedBytes {
        return .overloaded(reason: "requests of \(state.queuedBytes) bytes are waiting already")
      }
      queue.append(pending)
      state.queuedBytes += pending.bytes
      if !queue.isListed {
        queue.isListed = true
        state.turn.append(queue)
      }
      return nil
    }
    if let refusal { throw refusal }
    monitor.wakeOne()
  }

  /// Requests that wait in `queue`.
  func waiting(in queue: RequestQueue) -> Int { monitor.withLock { _ in queue.count } }

  /// Answers waiting requests whose deadline has passed or whose client is gone. Called now and then, since a queue
  /// behind busy workers would keep them otherwise.
  func sweep() {
    let removed = monitor.withLock { state in
      let now = clock.now()
      var removed: [(pending: PendingRequest, error: ServingError)] = []
      for queue in state.turn {
        let before = queue.bytes
        removed += queue.removeObsolete(now: now)
        state.queuedBytes -= before - queue.bytes
      }
      return removed
    }
    for (pending, error) in removed { pending.runner.refuse(pending, error) }
  }

  /// Makes sleeping workers look at the clock again.
  func wake() { monitor.wakeAll() }

  // MARK: Workers

  private func work() {
    while let work = nextWork() {
      for (pending, error) in work.obsolete { pending.runner.refuse(pending, error) }
      guard let batch = work.batch else { continue }
      batch.runner.run(batch, on: work.team?.team)
      release(work)
    }
  }

  /// Sleeps until there is something to do; nil when the pool stops.
  private func nextWork() -> Work? {
    // On a processor that event loops wait for, they go first and let the batch grow; on a free one this is nothing.
    sched_yield()
    return monitor.waitUntilDone { state in
      if state.freeThreads == 0 { return .wait(nil) }
      let now = clock.now()
      var dueAt: ContinuousClock.Instant?
      var work = take(&state, now, &dueAt)
      if work.batch == nil && work.obsolete.isEmpty {
        if state.turn.isEmpty && state.isStopping { return .done(nil) }
        return .wait(dueAt.map { now.duration(to: $0) })
      }
      if work.batch != nil {
        if state.turn.isEmpty { work.team = state.teams.take(atMost: state.freeThreads) }
        state.freeThreads -= work.threads
      }
      if !state.turn.isEmpty && state.freeThreads > 0 { monitor.wakeOne() }
      return .done(work)
    }
  }

  private func take(
    _ state: inout State, _ now: ContinuousClock.Instant, _ dueAt: inout ContinuousClock.Instant?
  ) -> Work {
    var work = Work()
    for _ in 0..<state.turn.count {
      let queue = state.turn.removeFirst()
      let before = queue.bytes
      // A stopping pool waits for no batch mates.
      let taken = queue.take(
        now: now, idleWorkers: state.freeThreads - 1, ignoringDelay: state.isStopping)
      state.queuedBytes -= before - queue.bytes
      queue.isListed = !queue.isEmpty
      if queue.isListed { state.turn.append(queue) }
      work.obsolete += taken.obsolete
      if let due = taken.dueAt { dueAt = min(dueAt ?? due, due) }
      if let first = taken.slices.first {
        work.batch = Batch(runner: first.pending.runner, slices: taken.slices, taken: now)
        break
      }
    }
    return work
  }

  private func release(_ work: Work) {
    let isStopping = monitor.withLock { state in
      state.freeThreads += work.threads
      if let team = work.team { state.teams.giveBack(team) }
      return state.isStopping
    }
    // The caller looks for work itself; a group's further tokens are news for others, and so is the last batch.
    if work.threads > 1 || isStopping { monitor.wakeAll() }
  }
}
