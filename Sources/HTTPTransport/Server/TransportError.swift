/// Why a server cannot start.
public enum TransportError: Error, Equatable, Sendable {
  /// A configured number is out of its range.
  case configuration(String)
  /// The host is neither a numeric address nor a name that resolves.
  case address(host: String, reason: String)
  /// The operating system refused a call; `code` is the errno value.
  case system(call: String, code: Int32, reason: String)
}

extension TransportError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .configuration(let what): "transport configuration: \(what)"
    case .address(let host, let reason): "cannot listen on host '\(host)': \(reason)"
    case .system(let call, let code, let reason): "\(call) failed: \(reason) (errno \(code))"
    }
  }
}
