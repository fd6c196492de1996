import Glibc

/// What a finished file is known by.
public struct FileDigest: Sendable, Equatable {
  public let bytes: Int
  /// 64 hexadecimal digits.
  public let sha256: String
}

/// A file that arrives in pieces: size-limited, hashed as it is written, synchronised at the end.
/// Confined to one thread at a time; whoever made it removes the file when it is not wanted.
final class IncomingFile {
  private var descriptor: Int32
  private let directory: String
  private let limit: Int
  private let what: String
  private let minimumFreeBytes: Int
  private let hash = SHA256()
  private var bytes = 0
  private var nextSpaceCheck = 0
  private static let spaceCheckInterval = 16 << 20

  /// - Parameter what: names the file in a `.tooLarge` error.
  init(path: String, limit: Int, what: String, minimumFreeBytes: Int) throws(ServingError) {
    let opened = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o640)
    if opened < 0 { throw FileSystem.failure("making a file") }
    descriptor = opened
    directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    self.limit = limit
    self.what = what
    self.minimumFreeBytes = minimumFreeBytes
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func append(_ chunk: [UInt8]) throws(ServingError) {
    if chunk.count > limit - bytes { throw .tooLarge(what: what, limit: limit) }
    try checkSpace(for: chunk.count)
    let code = chunk.withUnsafeBytes { buffer in
      hash.update(buffer)
      return writeAll(buffer)
    }
    if code != 0 { throw FileSystem.failure("writing a file", code: code) }
    bytes += chunk.count
  }

  /// Makes the content durable and closes the file. Its name is durable only after its directory is synchronised.
  func finish() throws(ServingError) -> FileDigest {
    if fsync(descriptor) != 0 { throw FileSystem.failure("writing a file") }
    close(descriptor)
    descriptor = -1
    return FileDigest(bytes: bytes, sha256: hash.hexadecimal())
  }

  private func checkSpace(for count: Int) throws(ServingError) {
    if bytes + count < nextSpaceCheck { return }
    if let free = FileSystem.freeBytes(directory), free - count < minimumFreeBytes { throw .storageFull }
    nextSpaceCheck = bytes + count + Self.spaceCheckInterval
  }

  /// 0, or the error code of the write that failed.
  private func writeAll(_ buffer: UnsafeRawBufferPointer) -> Int32 {
    var offset = 0
    while offset < buffer.count {
      let written = write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
      if written < 0 {
        if errno == EINTR { continue }
        return errno
      }
      offset += written
    }
    return 0
  }

  /// Hashes a file that another process wrote, and makes it durable.
  static func adopt(path: String, limit: Int, what: String) throws(ServingError) -> FileDigest {
    let opened = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    if opened < 0 { throw FileSystem.failure("opening a file") }
    defer { close(opened) }
    let hash = SHA256()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var bytes = 0
    while true {
      let got = read(opened, &buffer, buffer.count)
      if got < 0 && errno == EINTR { continue }
      if got < 0 { throw FileSystem.failure("reading a file") }
      if got == 0 { break }
      bytes += got
      if bytes > limit { throw .tooLarge(what: what, limit: limit) }
      buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<got])) }
    }
    if fsync(opened) != 0 { throw FileSystem.failure("writing a file") }
    return FileDigest(bytes: bytes, sha256: hash.hexadecimal())
  }
}
