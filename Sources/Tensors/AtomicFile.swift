#if canImport(Glibc)
  import Glibc
#endif

/// A file being written under another name, which takes its place at `commit`: a reader, or a restart after a
/// crash, sees the old file or the whole new one. Without `commit` nothing is left behind.
///
/// Only a regular file, or a symbolic link to one, is replaced; of a link, the link itself. Devices, pipes and
/// folders stay what they are.
public struct AtomicFile: ~Copyable {
  private let path: String
  private let temporary: String
  private var descriptor: Int32
  /// Bytes appended so far.
  public private(set) var count = 0

  /// Begins the file that will be at `path`, whose directory must exist.
  /// - Throws: `FileError.cannotOpen`, `.notReplaceable`.
  public init(path: String) throws(FileError) {
    try Self.checkReplaceable(path)
    var code: Int32 = EEXIST
    for _ in 0..<100 {
      let temporary = "\(path).\(getpid())-\(UInt32.random(in: 0 ... .max)).tmp"
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
      if descriptor >= 0 {
        self.path = path
        self.temporary = temporary
        self.descriptor = descriptor
        return
      }
      code = errno
      if code != EEXIST { break }
    }
    throw .cannotOpen(path: path, code: code)
  }

  deinit {
    if descriptor < 0 { return }
    close(descriptor)
    unlink(temporary)
  }

  /// - Throws: `FileError.cannotWrite`.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var offset = 0
    while offset < bytes.count {
      let written = write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
      if written > 0 {
        offset += written
      } else if written == 0 || errno != EINTR {
        throw .cannotWrite(path: path, code: written == 0 ? EIO : errno)
      }
    }
    count += bytes.count
  }

  /// Leaves a hole, which reads as zeros, so that what comes next lies at a multiple of `alignment`.
  /// - Throws: `FileError.cannotWrite`.
  public mutating func align(to alignment: Int) throws(FileError) {
    let padding = (alignment - count % alignment) % alignment
    if lseek(descriptor, padding, SEEK_CUR) < 0 { throw .cannotWrite(path: path, code: errno) }
    count += padding
  }

  /// Puts the file in its place, on disk when this returns.
  /// - Throws: `FileError.cannotWrite`, `.notReplaceable`; the old file is then still there.
  public consuming func commit() throws(FileError) {
    try Self.checkReplaceable(path)
    if fsync(descriptor) != 0 { throw .cannotWrite(path: path, code: errno) }
    let status = close(descriptor)
    descriptor = -1
    if status != 0 || rename(temporary, path) != 0 {
      let code = errno
      unlink(temporary)
      throw .cannotWrite(path: path, code: code)
    }
    try synchronizeDirectory()
  }

  /// What `path` leads to must be nothing or a regular file.
  private static func checkReplaceable(_ path: String) throws(FileError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }  // what else is wrong with it, open and rename say
    if status.st_mode & S_IFMT != S_IFREG { throw .notReplaceable(path: path) }
  }

  /// Makes the new name survive a crash.
  private borrowing func synchronizeDirectory() throws(FileError) {
    let directory = open(FileBytes.directory(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if directory < 0 { throw .cannotWrite(path: path, code: errno) }
    defer { close(directory) }
    // Some file systems cannot synchronize directories and say so with EINVAL.
    if fsync(directory) != 0 && errno != EINVAL { throw .cannotWrite(path: path, code: errno) }
  }
}
