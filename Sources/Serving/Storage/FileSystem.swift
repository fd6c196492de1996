import Glibc

/// The few file-system steps that durable storage is made of. Paths come from configuration and checked names.
enum FileSystem {
  /// The error of the call that has just failed. Carries the system's text and no path.
  @inline(never)
  static func failure(_ action: String, code: Int32 = errno) -> ServingError {
    if code == ENOSPC || code == EDQUOT { return .storageFull }
    return .storage(reason: "\(action): \(String(cString: strerror(code)))")
  }

  /// Makes `path` and what is missing above it.
  static func makeDirectories(_ path: String) throws(ServingError) {
    if isDirectory(path) { return }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
      try makeDirectories(String(path[..<slash]))
    }
    try makeDirectory(path)
  }

  /// Makes `path`; does nothing when it is there already.
  static func makeDirectory(_ path: String) throws(ServingError) {
    if mkdir(path, 0o750) != 0 && !(errno == EEXIST && isDirectory(path)) {
      throw failure("making a directory")
    }
  }

  static func isDirectory(_ path: String) -> Bool { mode(path).map { $0 & S_IFMT == S_IFDIR } ?? false }
  static func isFile(_ path: String) -> Bool { mode(path).map { $0 & S_IFMT == S_IFREG } ?? false }

  private static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode : nil
  }

  static func size(_ path: String) -> Int? {
    var status = stat()
    return lstat(path, &status) == 0 ? Int(status.st_size) : nil
  }

  /// Names in a directory, sorted; empty when it cannot be read.
  static func entries(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes renames and new names inside the directory durable.
  static func synchronize(directory path: String) throws(ServingError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor < 0 { throw failure("opening a directory") }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw failure("writing a directory") }
  }

  static func move(_ from: String, to destination: String) throws(ServingError) {
    if rename(from, destination) != 0 { throw failure("renaming") }
  }

  /// Removes a file or a whole directory, following no links. Nothing there is no error.
  static func removeTree(_ path: String) throws(ServingError) {
    if unlink(path) == 0 || errno == ENOENT { return }
    if !isDirectory(path) { throw failure("removing a file") }
    for name in entries(path) { try removeTree(path + "/" + name) }
    if rmdir(path) != 0 && errno != ENOENT { throw failure("removing a directory") }
  }

  /// Bytes that an unprivileged process may still write to the file system of `path`.
  static func freeBytes(_ path: String) -> Int? {
    var status = statvfs()
    if statvfs(path, &status) != 0 { return nil }
    let (bytes, overflow) = UInt(status.f_bavail).multipliedReportingOverflow(by: UInt(status.f_frsize))
    return overflow || bytes > UInt(Int.max) ? .max : Int(bytes)
  }

  /// The whole of a regular file; nil when it is missing, no regular file, or larger than `limit`.
  static func read(_ path: String, limit: Int) -> [UInt8]? {
    guard let file = try? OpenFile(path: path) else { return nil }
    if file.size > limit { return nil }
    return file.readAll()
  }

  /// Writes a file so that after a crash either its old or its new content is there.
  static func writeAtomically(_ bytes: [UInt8], to path: String) throws(ServingError) {
    let temporary = path + ".tmp"
    let file = try IncomingFile(path: temporary, limit: .max, what: "the file", minimumFreeBytes: 0)
    try file.append(bytes)
    _ = try file.finish()
    try move(temporary, to: path)
    try synchronize(directory: String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
  }
}
