import CLinux
import Glibc

/// A thread of the operating system that runs one closure; `join` waits for its end.
final class ComputeThread: @unchecked Sendable {
  // Sendable because `thread` is written once, in `init`.
  private let thread: pthread_t

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// - Parameter name: at most 15 bytes; shown by `top -H` and debuggers.
  init(name: String, _ run: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let body = Unmanaged.passRetained(Body(run))
    let code = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    precondition(code == 0, "the system refuses to start a thread")
    adze_name_thread(thread, name)
    self.thread = thread
  }

  func join() { pthread_join(thread, nil) }
}
