import Glibc

/// A value behind a lock that threads can sleep on until it changes: `Synchronization` has no condition variable.
///
/// Wake-ups may be spurious: whoever waits looks again.
final class Monitor<State>: @unchecked Sendable {
  // Sendable because `state` is touched only by the thread that holds `mutex`.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var state: State

  init(_ state: sending State) {
    self.state = state
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func withLock<R>(_ body: (inout State) -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&state)
  }

  /// What a waiting thread decides each time it has looked at the state.
  enum Decision<R> {
    case done(R)
    /// Sleep until woken, or for at most so long.
    case wait(Duration?)
  }

  /// Calls `body` under the lock until it is done, sleeping in between with the lock released. Whoever shares the
  /// processor goes first after a sleep: what it brings is seen then.
  func waitUntilDone<R>(_ body: (inout State) -> Decision<R>) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      switch body(&state) {
      case .done(let result): return result
      case .wait(nil): pthread_cond_wait(condition, mutex)
      case .wait(let duration?): wait(atMost: duration)
      }
      pthread_mutex_unlock(mutex)
      sched_yield()
      pthread_mutex_lock(mutex)
    }
  }

  private func wait(atMost duration: Duration) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let nanoseconds = time.tv_nsec + min(duration.nanoseconds, 3_600_000_000_000)
    time.tv_sec += nanoseconds / 1_000_000_000
    time.tv_nsec = nanoseconds % 1_000_000_000
    pthread_cond_timedwait(condition, mutex, &time)
  }

  func wakeOne() { pthread_cond_signal(condition) }
  func wakeAll() { pthread_cond_broadcast(condition) }
}
