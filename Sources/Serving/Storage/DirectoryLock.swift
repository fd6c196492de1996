import Glibc
import Synchronization

/// Holds a directory for this process, so that two servers never work on the same files.
final class DirectoryLock: Sendable {
  private let descriptor: Mutex<Int32?>

  /// - Throws: `.conflict` when another process holds it.
  init(directory: String) throws(ServingError) {
    let opened = open(directory + "/.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o640)
    if opened < 0 { throw FileSystem.failure("making a lock file") }
    if flock(opened, LOCK_EX | LOCK_NB) != 0 {
      close(opened)
      throw .conflict(reason: "another server uses the same models or data directory")
    }
    descriptor = Mutex(opened)
  }

  deinit { release() }

  func release() {
    descriptor.withLock { descriptor in
      if let open = descriptor { close(open) }
      descriptor = nil
    }
  }
}
