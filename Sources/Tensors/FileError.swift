#if canImport(Glibc)
  import Glibc
#endif

/// Why a file cannot be read or written; `code` is the system's `errno`.
public enum FileError: Error, Equatable, Sendable {
  case cannotOpen(path: String, code: Int32)
  case cannotRead(path: String, code: Int32)
  case cannotWrite(path: String, code: Int32)
  case notRegular(path: String)
}

extension FileError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .cannotOpen(let path, let code): "cannot open '\(path)': \(Self.text(code))"
    case .cannotRead(let path, let code): "cannot read '\(path)': \(Self.text(code))"
    case .cannotWrite(let path, let code): "cannot write '\(path)': \(Self.text(code))"
    case .notRegular(let path): "'\(path)' is not a regular file"
    }
  }

  private static func text(_ code: Int32) -> String {
    String(cString: strerror(code))
  }
}
