import HTTPTransport
import Logging
import Synchronization

/// What endpoints share: the core, the log, and whether the server is on its way out.
final class ServingContext: Sendable {
  private struct State {
    var isDraining = false
    /// By token: what ends answers that would go on for as long as their clients listen.
    var drainActions: [Int: @Sendable () -> Void] = [:]
    var nextToken = 0
    var transport: (@Sendable () -> TransportStatistics?)?
  }

  let core: ServingCore
  let logger: Logger
  private let state = Mutex(State())

  init(core: ServingCore, logger: Logger) {
    self.core = core
    self.logger = logger
  }

  /// Ready for traffic: every model was tried, and the server stays.
  var isReady: Bool { core.isReady && !isDraining }

  var isDraining: Bool { state.withLock { $0.isDraining } }

  /// From now on readiness probes say no, so that balancers turn away, and endless answers end.
  func beginDraining() {
    let actions = state.withLock { state in
      state.isDraining = true
      let actions = state.drainActions.values
      state.drainActions = [:]
      return Array(actions)
    }
    for action in actions { action() }
  }

  /// Runs `action` when the server drains, at once when it does already.
  /// - Returns: a token that takes the action back.
  func onDrain(_ action: @escaping @Sendable () -> Void) -> Int {
    let token = state.withLock { state -> Int? in
      if state.isDraining { return nil }
      state.nextToken += 1
      state.drainActions[state.nextToken] = action
      return state.nextToken
    }
    if token == nil { action() }
    return token ?? 0
  }

  func forgetDrainAction(_ token: Int) {
    // Its captures are released outside of the lock.
    let action = state.withLock { $0.drainActions.removeValue(forKey: token) }
    withExtendedLifetime(action) {}
  }

  /// The transport's counters; nil before it exists.
  var transportStatistics: TransportStatistics? { state.withLock { $0.transport }?() }

  func setTransport(_ statistics: @escaping @Sendable () -> TransportStatistics?) {
    state.withLock { $0.transport = statistics }
  }
}
