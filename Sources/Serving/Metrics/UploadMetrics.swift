/// Uploads of models and further files since the server started.
public final class UploadMetrics: Sendable {
  public let stored = Counter()
  /// Refused, cut off or aborted.
  public let failed = Counter()
  public let bytes = Counter()

  init() {}
}
