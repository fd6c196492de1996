/// What a model file may cost to read. A file is not to be trusted: a few bytes can claim much memory.
public struct LoadLimits: Sendable, Equatable {
  /// Bytes of the model file itself. The protobuf encoding ends at 2 GiB.
  public var fileBytes = 2 << 30
  /// How deep messages may be nested; one sub-graph takes three levels.
  public var depth = 100
  /// Messages and strings, over the whole file.
  public var messages = 4_000_000
  /// Estimated bytes that the decoded messages take: packed integers grow eightfold.
  public var decodedBytes = 8 << 30
  /// Bytes of all tensors' elements together, those in external files and the expanded sparse ones included.
  public var tensorBytes = 16 << 30

  public init() {}
}
