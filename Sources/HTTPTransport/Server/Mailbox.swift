import Synchronization

/// What other threads tell a loop.
enum LoopMessage: Sendable {
  case adopt(Int32)
  case exchange(ExchangeID, ExchangeMessage)
  /// Finish what is in flight, close everything at the deadline (monotonic nanoseconds), then call back.
  case drain(deadline: Int, completion: @Sendable () -> Void)
}

/// Messages from other threads, with one wake-up per batch.
final class Mailbox: Sendable {
  private struct State {
    var messages: [LoopMessage] = []
    var isClosed = false
  }

  private let state = Mutex(State())

  enum Posted {
    /// The loop sleeps, as far as is known: wake it.
    case wake
    case quiet
    case closed
  }

  func post(_ message: LoopMessage) -> Posted {
    state.withLock { state in
      guard !state.isClosed else { return .closed }
      state.messages.append(message)
      return state.messages.count == 1 ? .wake : .quiet
    }
  }

  func takeAll(into target: inout [LoopMessage]) {
    state.withLock { state in
      if target.isEmpty {
        swap(&target, &state.messages)
      } else {
        target.append(contentsOf: state.messages)
        state.messages.removeAll()
      }
    }
  }

  /// Nothing is taken any more; returns what was not read.
  func close() -> [LoopMessage] {
    state.withLock { state in
      state.isClosed = true
      let rest = state.messages
      state.messages = []
      return rest
    }
  }
}
