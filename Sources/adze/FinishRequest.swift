import Glibc
import Synchronization

/// The wish to end a search with the best that it has found, as SIGTERM and SIGINT bring it.
enum FinishRequest {
  private static let isMade = Atomic<Bool>(false)

  /// From now on the first such signal is a request; the second ends the process, as it always does.
  static func listen() {
    // The atomic exists before a handler can meet it.
    _ = wasMade
    for number in [SIGTERM, SIGINT] {
      signal(number) { number in
        FinishRequest.isMade.store(true, ordering: .relaxed)
        signal(number, SIG_DFL)
      }
    }
  }

  static var wasMade: Bool { isMade.load(ordering: .relaxed) }
}
