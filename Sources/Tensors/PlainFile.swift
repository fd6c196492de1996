#if canImport(Glibc)
  import Glibc
#endif

/// Whole files in and out, for `Npz`.
enum PlainFile {
  static func read(path: String, maximumBytes: Int) throws(TensorError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw failure("open", path) }
    defer { close(descriptor) }
    var status = stat()
    if fstat(descriptor, &status) != 0 { throw failure("read", path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .malformedFile("\(path) is not a file") }
    if status.st_size > maximumBytes { throw .malformedFile("\(path) has more than \(maximumBytes) bytes") }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var position = 0
    while position < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress! + position, $0.count - position)
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { throw failure("read", path) }
      position += count
    }
    return bytes
  }

  /// Writes beside `path` and renames, so that a reader sees the old file or the new one.
  static func write(_ bytes: [UInt8], path: String) throws(TensorError) {
    let temporary = "\(path).\(getpid()).part"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if descriptor < 0 { throw failure("write", path) }
    var position = 0
    var isWritten = true
    while position < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + position, $0.count - position)
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 {
        isWritten = false
        break
      }
      position += count
    }
    isWritten = isWritten && fsync(descriptor) == 0
    isWritten = close(descriptor) == 0 && isWritten
    if !isWritten || rename(temporary, path) != 0 {
      let error = failure("write", path)
      unlink(temporary)
      throw error
    }
  }

  private static func failure(_ action: String, _ path: String) -> TensorError {
    .malformedFile("cannot \(action) \(path): \(String(cString: strerror(errno)))")
  }
}
