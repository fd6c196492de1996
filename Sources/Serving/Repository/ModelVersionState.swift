/// Where a version is on its way to answering requests.
public enum ModelVersionState: Sendable, Equatable {
  case loading
  case ready
  /// The reason is for users.
  case unavailable(reason: String)

  /// The name that the V2 protocol uses: `LOADING`, `READY`, `UNAVAILABLE`.
  public var name: String {
    switch self {
    case .loading: "LOADING"
    case .ready: "READY"
    case .unavailable: "UNAVAILABLE"
    }
  }

  /// Why the version cannot answer; empty when it is ready.
  public var reason: String {
    switch self {
    case .loading: "loading"
    case .ready: ""
    case .unavailable(let reason): reason
    }
  }
}

/// One row of the repository's index.
public struct ModelIndexEntry: Sendable, Equatable {
  public let name: String
  public let version: Int
  public let state: ModelVersionState
  /// True for the version that answers when none is asked for.
  public let isDefault: Bool
  /// True for models that come with the server.
  public let isReadOnly: Bool
  /// nil for bundled models.
  public let manifest: VersionManifest?
}

/// What an upload led to.
public struct UploadedVersion: Sendable {
  public let name: String
  public let version: Int
  public let digest: FileDigest
  public let state: ModelVersionState
  /// Empty until the version is ready.
  public let inputs: [TensorPort]
  public let outputs: [TensorPort]
  /// External-data files that the model refers to and that must be uploaded before it can be loaded.
  public let missingFiles: [String]
}
