import Dispatch
import Synchronization

/// Tells subscribers how jobs go on. Events of one job arrive in order, on one queue of the server's.
final class JobEvents: Sendable {
  typealias Handler = @Sendable (Job) -> Void

  private let subscribers = Mutex<[Int64: [(token: Int, handler: Handler)]]>([:])
  private let nextToken = Atomic<Int>(0)
  private let queue = DispatchQueue(label: "adze.job-events")

  func publish(_ job: Job) {
    queue.async { [self] in
      let handlers = subscribers.withLock { subscribers in
        // Nothing follows a final state.
        job.state.isFinal ? subscribers.removeValue(forKey: job.id) : subscribers[job.id]
      }
      for (_, handler) in handlers ?? [] { handler(job) }
    }
  }

  /// - Parameter current: the job's present state, asked for on the event queue; nil when it cannot be read.
  func subscribe(
    _ id: Int64, current: @escaping @Sendable () -> Job?, _ handler: @escaping Handler
  ) -> JobSubscription {
    let token = nextToken.add(1, ordering: .relaxed).newValue
    subscribers.withLock { $0[id, default: []].append((token: token, handler: handler)) }
    queue.async { [self] in
      guard let job = current(), isSubscribed(id, token) else { return }
      if job.state.isFinal { unsubscribe(id, token) }
      handler(job)
    }
    return JobSubscription { [self] in unsubscribe(id, token) }
  }

  private func isSubscribed(_ id: Int64, _ token: Int) -> Bool {
    subscribers.withLock { $0[id]?.contains { $0.token == token } ?? false }
  }

  private func unsubscribe(_ id: Int64, _ token: Int) {
    subscribers.withLock { subscribers in
      subscribers[id]?.removeAll { $0.token == token }
      if subscribers[id]?.isEmpty == true { subscribers[id] = nil }
    }
  }
}

/// Ends with its last reference.
public final class JobSubscription: Sendable {
  private let end: @Sendable () -> Void

  init(_ end: @escaping @Sendable () -> Void) { self.end = end }

  deinit { end() }

  public func cancel() { end() }
}
