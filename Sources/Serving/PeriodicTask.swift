import Dispatch

/// Calls a closure at an interval, on a queue of its own, from `start` until `stop` or its last reference.
final class PeriodicTask: @unchecked Sendable {
  // Sendable because a dispatch source may be used from any thread.
  private let timer: any DispatchSourceTimer

  init(label: String, milliseconds: Int, _ action: @escaping @Sendable () -> Void) {
    timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: label, qos: .utility))
    timer.schedule(
      deadline: .now() + .milliseconds(milliseconds), repeating: .milliseconds(milliseconds),
      leeway: .milliseconds(max(milliseconds / 5, 1)))
    timer.setEventHandler(handler: action)
  }

  deinit {
    timer.cancel()
    timer.activate()  // releasing a source that never ran ends the process
  }

  func start() { timer.activate() }
  func stop() { timer.cancel() }
}
