#if canImport(Glibc)
  import Glibc
#endif

/// Whole files as bytes, without Foundation.
public enum FileBytes {
  /// The bytes of the regular file at `path`, mapped for reading. Symbolic links are followed.
  /// - Throws: `FileError.cannotOpen`, `.notRegular`, `.cannotRead`.
  public static func map(path: String) throws(FileError) -> MappedFile {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw .cannotOpen(path: path, code: errno) }
    defer { close(descriptor) }
    return try MappedFile(descriptor: descriptor, name: path)
  }

  /// Replaces the file at `path` by `bytes`, all or nothing: see `AtomicFile`.
  /// - Throws: `FileError.cannotOpen`, `.cannotWrite`, `.notReplaceable`.
  public static func write(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
    var file = try AtomicFile(path: path)
    try file.append(bytes)
    try file.commit()
  }

  /// See `write(_:path:)` for raw bytes.
  public static func write(_ bytes: [UInt8], path: String) throws(FileError) {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(FileError) in try write(bytes, path: path) }
    }
    try result.get()
  }

  /// The directory part of `path`: `.` when it has none.
  public static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
  }
}

/// A file's bytes, mapped read-only until the last reference goes.
///
/// Tensors of models keep pointing into the file (`Tensor.init(type:shape:mapped:_:)`). A file that another process
/// shortens meanwhile ends a reader with SIGBUS: map only files that are replaced
/// whole, as `FileBytes.write` does.
public final class MappedFile: @unchecked Sendable {
  // Sendable because the mapping is read-only and lives as long as the object.

  /// Only good while this object lives: hold it with `withExtendedLifetime` around what reads them.
  public let bytes: UnsafeRawBufferPointer

  /// Maps all of the open regular file `descriptor`, which the caller closes; `name` is for messages.
  public init(descriptor: Int32, name: String) throws(FileError) {
    var status = stat()
    if fstat(descriptor, &status) != 0 { throw .cannotRead(path: name, code: errno) }
    if status.st_mode & S_IFMT != S_IFREG { throw .notRegular(path: name) }
    if status.st_size == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let base = mmap(nil, status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let base, base != MAP_FAILED else { throw .cannotRead(path: name, code: errno) }
    bytes = UnsafeRawBufferPointer(start: base, count: status.st_size)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }

  public var count: Int { bytes.count }
}
