#if canImport(Glibc)
  import Glibc
#endif

/// Why a file cannot be read or written; `code` is the system's `errno`.
public enum FileError: Error, Equatable, Sendable {
  case cannotOpen(path: String, code: Int32)
  case cannotRead(path: String, code: Int32)
  case cannotWrite(path: String, code: Int32)
  case notRegular(path: String)
  /// A file would take the place of a device, a pipe or a folder.
  case notReplaceable(path: String)
}

extension FileError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .cannotOpen(let path, let code): "cannot open '\(path)': \(Self.text(code))"
    case .cannotRead(let path, let code): "cannot read '\(path)': \(Self.text(code))"
    case .cannotWrite(let path, let code): "cannot write '\(path)': \(Self.text(code))"
    case .notRegular(let path): "'\(path)' is not a regular file"
    case .notReplaceable(let path):
      "'\(path)' is not a regular file and stays as it is: results are written to a file beside it that then "
        + "takes its name; give the name of a file, and copy from there"
    }
  }

  private static func text(_ code: Int32) -> String {
    String(cString: strerror(code))
  }
}
