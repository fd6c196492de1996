/// Why the serving core refuses or fails a request. Texts name the user's models, inputs and fields only:
/// no paths and nothing internal.
public enum ServingError: Error, Equatable, Sendable {
  /// A model, dataset or file name outside `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`, or a version that is no positive number.
  case invalidName(String)
  case modelNotFound(name: String)
  case versionNotFound(name: String, version: Int)
  case fileNotFound(name: String, version: Int, file: String)
  /// The version exists but cannot answer: loading, unloaded, or broken; the reason says which.
  case modelNotReady(name: String, version: Int?, reason: String)
  case versionExists(name: String, version: Int)
  /// Bundled models are served from a read-only place and cannot be changed or removed.
  case readOnly(name: String, version: Int)
  /// The uploaded bytes are no ONNX model that can be served: damaged, or with something unsupported.
  case invalidModel(reason: String)
  case invalidDataset(reason: String)
  case datasetNotFound(name: String)
  case jobNotFound(id: Int64)
  /// The request contradicts the present state (a running job is read, an upload is finished twice …).
  case conflict(reason: String)
  /// A tensor of the request does not fit the model's input `name`.
  case invalidInput(name: String, reason: String)
  /// Any other member of a request that is wrong.
  case invalidRequest(reason: String)
  /// Larger than a configured limit; `limit` in bytes.
  case tooLarge(what: String, limit: Int)
  /// The queue is full; the client may try again later.
  case overloaded(reason: String)
  case deadlineExceeded
  /// The client went away or withdrew the request.
  case cancelled
  /// The server is draining and takes no new work.
  case shuttingDown
  /// The model failed while it ran on valid-looking input.
  case inference(reason: String)
  /// No space left, or the configured disk budget is used up.
  case storageFull
  /// The disk or the database failed.
  case storage(reason: String)
}

extension ServingError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidName(let name):
      "'\(name.prefix(160))' is not a valid name: letters, digits, '.', '_' and '-', at most 128, the first a letter or digit"
    case .modelNotFound(let name): "unknown model '\(name)'"
    case .versionNotFound(let name, let version): "model '\(name)' has no version \(version)"
    case .fileNotFound(let name, let version, let file):
      "version \(version) of model '\(name)' has no file '\(file)'"
    case .modelNotReady(let name, let version, let reason):
      "model '\(name)'\(version.map { " version \($0)" } ?? "") is not ready: \(reason)"
    case .versionExists(let name, let version): "model '\(name)' already has a version \(version)"
    case .readOnly(let name, let version):
      "version \(version) of model '\(name)' is bundled with the server and read-only"
    case .invalidModel(let reason): reason
    case .invalidDataset(let reason): reason
    case .datasetNotFound(let name): "unknown dataset '\(name)'"
    case .jobNotFound(let id): "unknown job \(id)"
    case .conflict(let reason): reason
    case .invalidInput(let name, let reason): "input '\(name)': \(reason)"
    case .invalidRequest(let reason): reason
    case .tooLarge(let what, let limit): "\(what) is larger than the limit of \(limit) bytes"
    case .overloaded(let reason): reason
    case .deadlineExceeded: "the request's deadline passed before its result was ready"
    case .cancelled: "the request was cancelled"
    case .shuttingDown: "the server is shutting down"
    case .inference(let reason): reason
    case .storageFull: "no space is left for this upload"
    case .storage(let reason): reason
    }
  }
}
