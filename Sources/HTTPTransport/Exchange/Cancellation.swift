import Synchronization

/// Set once, when the client went away; runs what was asked for.
final class Cancellation: Sendable {
  fileprivate struct State {
    var isCancelled = false
    var isClosed = false
    var actions: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())

  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// Runs `action` on cancellation, at once when it has already happened. Dropped once the exchange is over.
  func onCancel(_ action: @escaping @Sendable () -> Void) {
    let runNow = state.withLock { state in
      if state.isCancelled { return true }
      if !state.isClosed { state.actions.append(action) }
      return false
    }
    if runNow { action() }
  }

  func cancel() {
    let actions = state.withLock { state -> [@Sendable () -> Void] in
      guard !state.isCancelled, !state.isClosed else { return [] }
      state.isCancelled = true
      return state.takeActions()
    }
    for action in actions { action() }
  }

  /// The response is complete: nothing can be cancelled any more, and the actions' captures are released.
  func close() {
    // Released outside the lock: a capture's deinit may call back.
    let actions = state.withLock { state -> [@Sendable () -> Void] in
      state.isClosed = true
      return state.takeActions()
    }
    _ = actions
  }
}

extension Cancellation.State {
  fileprivate mutating func takeActions() -> [@Sendable () -> Void] {
    let taken = actions
    actions = []
    return taken
  }
}
