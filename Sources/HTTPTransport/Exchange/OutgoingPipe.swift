import Synchronization

/// The unsent bytes of one streamed response.
final class OutgoingPipe: Sendable {
  enum Write {
    /// The loop sleeps on this stream and has to be told.
    case signal
    /// The loop knows already.
    case quiet
    /// The backlog is too large, or the client is gone.
    case refused
  }

  enum Read: Equatable {
    case bytes(Int)
    /// Nothing to send now.
    case blocked
    case end
    /// The writer gave up, or its reader was too slow: the response cannot end well.
    case cut
  }

  fileprivate struct State {
    var bytes: [UInt8] = []
    var sent = 0
    var isFinished = false
    var isCut = false
    var trailers = HTTPHeaders()
    /// The loop was told and has not looked yet.
    var isSignalled = false
    var onWritable: (@Sendable () -> Void)?

    var backlog: Int { bytes.count - sent }

    mutating func signal() -> Write {
      if isSignalled { return .quiet }
      isSignalled = true
      return .signal
    }
  }

  private let state = Mutex(State())
  let limit: Int

  init(limit: Int) { self.limit = limit }

  var backlog: Int { state.withLock { $0.backlog } }

  // MARK: Handler side

  /// One write may pass the limit, the next one may not: a stuck reader costs bounded memory.
  func write(_ bytes: [UInt8]) -> Write {
    state.withLock { state in
      guard !state.isFinished, !state.isCut else { return .refused }
      guard state.backlog <= limit else {
        state.drop()
        return .refused
      }
      state.bytes.append(contentsOf: bytes)
      return state.signal()
    }
  }

  func finish(trailers: HTTPHeaders) -> Write {
    state.withLock { state in
      guard !state.isFinished, !state.isCut else { return .refused }
      state.isFinished = true
      state.trailers = trailers
      return state.signal()
    }
  }

  /// True when the response was still unfinished, and so ends abnormally. A waiting writer is woken.
  func cut() -> Bool {
    let (wasOpen, action) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
      let action = state.takeAction()
      guard !state.isFinished, !state.isCut else { return (false, action) }
      state.drop()
      return (true, action)
    }
    action?()
    return wasOpen
  }

  /// Runs `action` once the backlog is below half of its limit, at once if it is so now.
  func whenWritable(_ action: @escaping @Sendable () -> Void) {
    let now = state.withLock { state in
      if state.backlog <= limit / 2 || state.isCut { return true }
      state.onWritable = action
      return false
    }
    if now { action() }
  }

  // MARK: Loop side

  var trailers: HTTPHeaders { state.withLock { $0.trailers } }

  func read(into target: UnsafeMutableRawBufferPointer) -> Read {
    let (result, action) = state.withLock { state -> (Read, (@Sendable () -> Void)?) in
      state.isSignalled = false
      guard !state.isCut else { return (.cut, state.takeAction()) }
      let count = min(target.count, state.backlog)
      guard count > 0 else { return (state.isFinished ? .end : .blocked, nil) }
      state.bytes.withUnsafeBytes {
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[state.sent..<state.sent + count]))
      }
      state.sent += count
      if state.backlog == 0 {
        state.bytes.removeAll(keepingCapacity: state.bytes.capacity <= 64 << 10)
        state.sent = 0
      }
      return (.bytes(count), state.backlog <= limit / 2 ? state.takeAction() : nil)
    }
    action?()
    return result
  }

  var isCut: Bool { state.withLock { $0.isCut } }

  /// Whether everything was written and sent.
  var isDrained: Bool { state.withLock { $0.isFinished && $0.backlog == 0 } }
}

extension OutgoingPipe.State {
  fileprivate mutating func drop() {
    isCut = true
    bytes = []
    sent = 0
  }

  fileprivate mutating func takeAction() -> (@Sendable () -> Void)? {
    let action = onWritable
    onWritable = nil
    return action
  }
}
