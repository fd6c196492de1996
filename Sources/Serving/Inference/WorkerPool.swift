import Engine
import Glibc
import Synchronization

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
    /// Queues with requests of submitters that bring more; the first of them came at `heldSince`.
    var held: [RequestQueue] = []
    var heldSince: ContinuousClock.Instant?
    /// When the worker that sleeps for the shortest time looks again.
    var watchedUntil: ContinuousClock.Instant?
    var isStopping = false
    var workers: [ComputeThread] = []
  }

  private struct Work {
    var batch: Batch?
    var queue: RequestQueue?
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
  private let holdsRequests = Atomic(false)

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
  /// - Parameter isFollowed: the submitter may bring more at once, and calls `endTurn` when it has not.
  /// - Throws: `.overloaded`, `.shuttingDown`.
  func submit(
    _ pending: PendingRequest, to queue: RequestQueue, isFollowed: Bool = false
  ) throws(ServingError) {
    let (requests, bytes) = (maximumQueuedRequests, maximumQueuedBytes)
    var wakes = false
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
      if isFollowed { hold(queue, &state, pending.submitted) }
      wakes = !(isFollowed && queue.isHeld) && needsWorker(state, pending.submitted)
      return nil
    }
    if let refusal { throw refusal }
    if wakes { monitor.wakeOne() }
  }

  /// Ends the turn of a submitter: what it brought may be run.
  public func endTurn() {
    if !holdsRequests.load(ordering: .relaxed) { return }
    let wakes = monitor.withLock { state in
      release(&state)
      return needsWorker(state, clock.now())
    }
    if wakes { monitor.wakeOne() }
  }

  private func hold(_ queue: RequestQueue, _ state: inout State, _ now: ContinuousClock.Instant) {
    if let since = state.heldSince, since.advanced(by: queue.patience) <= now { return release(&state) }
    state.heldSince = state.heldSince ?? now
    if queue.isHeld { return }
    queue.isHeld = true
    state.held.append(queue)
    holdsRequests.store(true, ordering: .relaxed)
  }

  private func release(_ state: inout State) {
    for queue in state.held { queue.isHeld = false }
    state.held.removeAll(keepingCapacity: true)
    state.heldSince = nil
    holdsRequests.store(false, ordering: .relaxed)
  }

  /// Whether one more worker should look at the queues.
  private func needsWorker(_ state: State, _ now: ContinuousClock.Instant) -> Bool {
    if state.freeThreads == 0 || state.turn.isEmpty { return false }
    // Somebody has to look when patience ends; one is enough.
    let isWatched = state.watchedUntil.map { until in
      state.turn.allSatisfy { until <= now.advanced(by: $0.patience) }
    }
    return isWatched != true || state.turn.contains { !$0.isSpokenFor }
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
      finish(work, took: batch.taken.duration(to: clock.now()))
    }
  }

  /// Sleeps until there is something to do; nil when the pool stops.
  private func nextWork() -> Work? {
    // On a processor that event loops wait for, they go first and let the batch grow; on a free one this is nothing.
    sched_yield()
    var watchesUntil: ContinuousClock.Instant?
    return monitor.waitUntilDone { state in
      if watchesUntil != nil && state.watchedUntil == watchesUntil { state.watchedUntil = nil }
      watchesUntil = nil
      if state.freeThreads == 0 { return .wait(nil) }
      let now = clock.now()
      var dueAt: ContinuousClock.Instant?
      var work = take(&state, now, &dueAt)
      if work.batch == nil && work.obsolete.isEmpty {
        if state.turn.isEmpty && state.isStopping { return .done(nil) }
        if let dueAt, state.watchedUntil.map({ dueAt < $0 }) ?? true {
          watchesUntil = dueAt
          state.watchedUntil = dueAt
        }
        return .wait(dueAt.map { now.duration(to: $0) })
      }
      if let queue = work.queue {
        queue.beginRun()
        if state.turn.isEmpty { work.team = state.teams.take(atMost: state.freeThreads) }
        state.freeThreads -= work.threads
      }
      if needsWorker(state, now) { monitor.wakeOne() }
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
        work.queue = queue
        work.batch = Batch(runner: first.pending.runner, slices: taken.slices, taken: now)
        break
      }
    }
    return work
  }

  /// The caller looks for work itself then, and wakes others if it leaves some.
  private func finish(_ work: Work, took duration: Duration) {
    let isStopping = monitor.withLock { state in
      state.freeThreads += work.threads
      work.queue?.endRun(took: duration)
      if let team = work.team { state.teams.giveBack(team) }
      return state.isStopping
    }
    // The last batch is news for those that wait for the end.
    if isStopping { monitor.wakeAll() }
  }
}
