/// The one place that says how a refusal looks on the wire.
extension ServingError {
  var httpStatus: Int {
    switch self {
    case .invalidName, .invalidModel, .invalidDataset, .invalidInput, .invalidRequest: 400
    case .readOnly: 403
    case .modelNotFound, .versionNotFound, .fileNotFound, .datasetNotFound, .jobNotFound: 404
    case .modelNotReady(_, let version, _): version == nil ? 404 : 503
    case .versionExists, .conflict: 409
    case .tooLarge: 413
    // Nobody reads this answer; logs show it.
    case .cancelled: 499
    case .inference, .storage: 500
    case .overloaded, .deadlineExceeded, .shuttingDown: 503
    case .storageFull: 507
    }
  }

  /// The text of the error body: Triton's where its clients and log readers look for one.
  var httpText: String {
    switch self {
    case .modelNotFound(let name): "Request for unknown model: '\(name)' is not found"
    case .versionNotFound(let name, let version):
      "Request for unknown model: '\(name)' version \(version) is not found"
    case .modelNotReady(let name, nil, let reason):
      "Request for unknown model: '\(name)' has no available versions (\(reason))"
    case .modelNotReady(let name, let version?, let reason):
      "Request for unavailable model: '\(name)' version \(version) is not at ready state: \(reason)"
    case .overloaded(let reason): "Exceeds maximum queue size: \(reason)"
    case .deadlineExceeded: "Request timeout expired"
    case .shuttingDown: "Server not ready"
    default: description
    }
  }

  /// Seconds after which the client may try again; nil when trying again is of no use.
  var retryAfterSeconds: Int? {
    switch self {
    case .overloaded, .shuttingDown: 1
    default: nil
    }
  }
}
