import Glibc
import Synchronization

/// A regular file opened for reading; closed with its last reference unless the descriptor was taken.
public final class OpenFile: Sendable {
  /// Bytes.
  public let size: Int
  /// A strong validator for HTTP, without quotes.
  public let etag: String
  private let descriptor: Mutex<Int32?>

  /// - Throws: `.storage` when there is no such regular file or it is a link.
  init(path: String, etag: String? = nil) throws(ServingError) {
    let opened = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    if opened < 0 { throw FileSystem.failure("opening a file") }
    var status = stat()
    if fstat(opened, &status) != 0 || status.st_mode & S_IFMT != S_IFREG {
      close(opened)
      throw .storage(reason: "opening a file: not a regular file")
    }
    size = Int(status.st_size)
    self.etag =
      etag ?? "\(status.st_ino)-\(status.st_size)-\(status.st_mtim.tv_sec)-\(status.st_mtim.tv_nsec)"
    descriptor = Mutex(opened)
  }

  deinit { if let descriptor = takeDescriptor() { close(descriptor) } }

  /// Hands the descriptor to the caller, who closes it; nil when it was taken before.
  public func takeDescriptor() -> Int32? {
    descriptor.withLock { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
  }

  func readAll() -> [UInt8]? {
    descriptor.withLock { descriptor in
      guard let descriptor else { return nil }
      var complete = true
      let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        while count < size {
          let got = pread(descriptor, buffer.baseAddress! + count, size - count, off_t(count))
          if got < 0 && errno == EINTR { continue }
          if got <= 0 { break }
          count += got
        }
        complete = count == size
      }
      return complete ? bytes : nil
    }
  }
}
