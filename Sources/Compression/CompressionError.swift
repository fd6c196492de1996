/// What can stop a compression or an evaluation.
public enum CompressionError: Error, Equatable, Sendable {
  /// A recipe that breaks the grammar; the text starts with the path of the member: `steps[0].prune.method: …`.
  case recipe(String)
  /// A recipe that is right but asks for what this version does not do yet.
  case unsupported(String)
  /// A dataset that is damaged, or does not fit the model or the metric; the text names the array.
  case dataset(String)
  /// A model that cannot be read, compiled or run.
  case model(String)
  /// A step's result that does not compile or run; the step's work is discarded.
  case verification(step: String, reason: String)
  case cancelled
}

extension CompressionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .recipe(let text), .dataset(let text), .model(let text): text
    case .unsupported(let text): "not supported yet by this version: \(text)"
    case .verification(let step, let reason): "step \(step) gave a model that does not run: \(reason)"
    case .cancelled: "cancelled"
    }
  }
}
