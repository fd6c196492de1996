import Compression
import Dispatch
import Synchronization

/// Tells how far a compression is, whenever that changes and once a second when it does not: a long computation is
/// silent, not dead.
final class ProgressReporter: Sendable {
  private struct State {
    var bar = ProgressBar()
    var last: (progress: CompressionProgress, arrived: ContinuousClock.Instant)?
    var told = ContinuousClock.now
    var isFinished = false
  }

  private static let interval = 1.0
  /// How often it is looked whether the interval is over.
  private static let precision = 0.25

  private let printsJSON: Bool
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "adze.progress")

  /// - Parameter printsJSON: JSON lines on stdout in place of a bar on the terminal.
  init(printsJSON: Bool) {
    self.printsJSON = printsJSON
    watch()
  }

  func show(_ progress: CompressionProgress) {
    state.withLock { state in
      state.last = (progress: progress, arrived: .now)
      tell(progress, &state)
    }
  }

  /// Removes the bar; nothing is told any more.
  func finish() {
    state.withLock { state in
      state.isFinished = true
      state.bar.finish()
    }
  }

  private func watch() {
    queue.asyncAfter(deadline: .now() + Self.precision) { [weak self] in
      guard let self, repeatLast() else { return }
      watch()
    }
  }

  /// False when there is nothing to watch any more.
  private func repeatLast() -> Bool {
    state.withLock { state in
      if state.isFinished { return false }
      let now = ContinuousClock.now
      guard let last = state.last, now - state.told >= .seconds(Self.interval - Self.precision) else {
        return true
      }
      var progress = last.progress
      // The estimate is of its time of arrival.
      progress.secondsLeft = progress.secondsLeft.map { max($0 - (now - last.arrived) / .seconds(1), 0) }
      tell(progress, &state)
      return true
    }
  }

  private func tell(_ progress: CompressionProgress, _ state: inout State) {
    if state.isFinished { return }
    state.told = .now
    if printsJSON {
      Console.result(Self.line(progress))
    } else {
      state.bar.show(progress.fraction, progress.stage.rawValue, secondsLeft: progress.secondsLeft)
    }
  }

  /// `{"stage":"calibrate","progress":0.25,"seconds_left":12.3}`, without the last member while it is not known.
  private static func line(_ progress: CompressionProgress) -> String {
    let left = progress.secondsLeft.map { ",\"seconds_left\":\(($0 * 10).rounded() / 10)" } ?? ""
    return "{\"stage\":\"\(progress.stage.rawValue)\",\"progress\":\(progress.fraction)\(left)}"
  }
}
