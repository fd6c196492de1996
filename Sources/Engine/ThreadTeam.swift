import CKernels
import Glibc
import Synchronization

/// A fixed set of threads that share the pieces of one computation at a time.
///
/// The caller takes part. Workers spin briefly for the next job and then park. While one caller uses the
/// workers, other callers (and nested calls) run all their pieces themselves, so a team may be shared.
public final class ThreadTeam: Sendable {
  /// Threads that work on a job, the caller included.
  public let threads: Int
  private let shared: TeamState

  /// - Parameter threads: at least 1; 1 starts no thread at all.
  public init(threads: Int) {
    self.threads = max(1, threads)
    shared = TeamState()
    for worker in 1..<max(2, self.threads) where worker < self.threads {
      Worker.start(index: worker, state: shared)
    }
  }

  deinit { shared.stop() }

  /// Calls `body` once for each of `0..<pieces`, on any of the team's threads, and returns when all are done.
  ///
  /// One small closure is allocated per call; kernels use `dispatch`, which allocates nothing.
  public func parallel(_ pieces: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) { pointer in
        dispatch(pieces, context: pointer) { context, piece, _ in
          context.assumingMemoryBound(to: ((Int) -> Void).self).pointee(piece)
        }
      }
    }
  }

  /// A piece of work: the caller's context, the piece's index, and which of the team's threads runs it.
  typealias Piece = @Sendable (_ context: UnsafeMutableRawPointer, _ piece: Int, _ worker: Int) -> Void

  /// Calls `function` for each of `0..<pieces` with `context`. `function` should capture nothing.
  func dispatch(_ pieces: Int, context: UnsafeMutableRawPointer, _ function: @escaping Piece) {
    if pieces <= 1 || threads == 1 || !shared.acquire() {
      for piece in 0..<max(0, pieces) { function(context, piece, 0) }
      return
    }
    for first in stride(from: 0, to: pieces, by: TeamState.maximumPieces) {
      shared.run(first..<min(pieces, first + TeamState.maximumPieces), context, function)
    }
    shared.release()
  }
}

/// The job slot that the threads of a team share.
///
/// `ticket` holds the job's generation (high 32 bits) and the range of pieces that nobody has taken yet (16 bits for
/// each end). A piece is taken by a compare-exchange on it, so a worker that wakes up late can never take a piece of a
/// newer job with what it read about an older one. The plain fields are written only while no piece can be taken,
/// and the owner does not return before every taken piece is finished.
///
/// Even workers take the first piece that is left, odd ones the last: a thread works on neighbouring pieces, and in
/// the next job, whose pieces cover the same lines of the next layer, mostly on what it has just written.
private final class TeamState: @unchecked Sendable {
  static let maximumPieces = Int(UInt16.max)
  private static let spins = 2000

  private let ticket = Atomic<UInt64>(0)
  private let finished = Atomic<Int>(0)
  private let owned = Atomic<Bool>(false)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)

  /// What the pieces of `ticket` count from.
  private var first = 0
  private var context = UnsafeMutableRawPointer(bitPattern: 8)!
  private var function: ThreadTeam.Piece = { _, _, _ in }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
  }

  deinit {
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
  }

  func acquire() -> Bool {
    owned.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  func release() { owned.store(false, ordering: .releasing) }

  /// Runs a job of at most `maximumPieces` to its end. Only for the owner of the slot.
  func run(_ pieces: Range<Int>, _ context: UnsafeMutableRawPointer, _ function: @escaping ThreadTeam.Piece) {
    first = pieces.lowerBound
    self.context = context
    self.function = function
    finished.store(0, ordering: .relaxed)
    let generation = (ticket.load(ordering: .relaxed) >> 32) &+ 1
    ticket.store(generation << 32 | UInt64(pieces.count), ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }
    work(worker: 0)
    var spins = 0
    while finished.load(ordering: .acquiring) != pieces.count {
      spins += 1
      if spins < TeamState.spins { adze_spin_pause() } else { sched_yield() }
    }
  }

  /// Takes and runs pieces until none is left.
  private func work(worker: Int) {
    let takesLast = worker % 2 == 1
    var current = ticket.load(ordering: .acquiring)
    while Self.hasPieces(current) {
      let (begin, end) = (current >> 16 & 0xffff, current & 0xffff)
      let (taken, seen) = ticket.compareExchange(
        expected: current, desired: takesLast ? current - 1 : current + 0x1_0000,
        ordering: .acquiringAndReleasing)
      current = seen
      if !taken { continue }
      function(context, first + Int(takesLast ? end - 1 : begin), worker)
      finished.wrappingAdd(1, ordering: .releasing)
      current = ticket.load(ordering: .acquiring)
    }
  }

  private static func hasPieces(_ ticket: UInt64) -> Bool { ticket >> 16 & 0xffff < ticket & 0xffff }

  private func wakeAll() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  /// What a worker thread does for its whole life.
  func serve(worker: Int) {
    while !stopping.load(ordering: .acquiring) {
      work(worker: worker)
      if !waitForWork() { park() }
    }
  }

  private func waitForWork() -> Bool {
    for _ in 0..<TeamState.spins {
      if hasWork || stopping.load(ordering: .relaxed) { return true }
      adze_spin_pause()
    }
    return false
  }

  private var hasWork: Bool { Self.hasPieces(ticket.load(ordering: .sequentiallyConsistent)) }

  private func park() {
    pthread_mutex_lock(mutex)
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    while !hasWork && !stopping.load(ordering: .sequentiallyConsistent) { pthread_cond_wait(wake, mutex) }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }
}

/// One thread of a team. It keeps the shared state alive until it has seen the stop.
private final class Worker {
  let index: Int
  let state: TeamState

  init(index: Int, state: TeamState) {
    self.index = index
    self.state = state
  }

  static func start(index: Int, state: TeamState) {
    let argument = Unmanaged.passRetained(Worker(index: index, state: state)).toOpaque()
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        let worker = Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue()
        _ = adze_set_flush_denormals(true)
        worker.state.serve(worker: worker.index)
        return nil
      }, argument)
    // Without the thread the team still computes everything, only with fewer hands.
    if status != 0 { Unmanaged<Worker>.fromOpaque(argument).release() } else { pthread_detach(thread) }
  }
}
