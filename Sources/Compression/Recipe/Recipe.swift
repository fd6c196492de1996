/// What a user asks for: the steps to take, the data to use, and the limits that the result must keep.
///
/// The JSON form is described in the module's documentation. Encoding gives that form back.
public struct Recipe: Sendable, Equatable {
  /// A named recipe; its steps depend on what data there is. Nil when `steps` says it all.
  public var preset: Preset?
  /// In the order in which they are applied. Empty with a preset.
  public var steps: [Step]
  public var calibration: Calibration?
  public var evaluation: Evaluation?
  public var constraints: Constraints
  /// Names the compressed version beside its number. Nil: `resolvedLabel` makes one from the steps.
  public var label: String?
  public var serve: ServePolicy
  /// Nil: the steps are given, or a preset.
  public var search: Search?
  public var storage = StoragePolicy.auto

  public enum Preset: String, Sendable, CaseIterable {
    /// int8 with ranges measured at every inference; needs no data.
    case safe
    /// Static int8 where calibration data are given, as `safe` elsewhere.
    case balanced
    /// As `balanced`, and smaller where that costs little.
    case fast
    /// The smallest weights with float activations.
    case small
    /// Measures and changes nothing.
    case audit
  }

  public enum Step: Sendable, Equatable {
    case prune(PruneStep)
    case quantize(QuantizeStep)
    case shareWeights(ShareWeightsStep)
    case lowRank(LowRankStep)
    case merge(MergeStep)
    case equalize(EqualizeStep)
  }

  /// Lets measurements choose the steps.
  public struct Search: Sendable, Equatable {
    public enum Objective: String, Sendable, CaseIterable {
      case latency, size
    }

    /// The time that candidates may take, in seconds.
    public var seconds = 120.0
    /// At most this many candidates are judged.
    public var trials = 40
    /// What is to be small among the candidates that keep every limit.
    public var minimize = Objective.latency

    public init() {}
  }

  /// How constants are written.
  public enum StoragePolicy: String, Sendable, CaseIterable {
    /// The smallest standard form for each: a bitmask with what is not zero, a table with codes, or plain.
    case auto
    /// Every constant as a plain tensor, which any runtime of the opset reads without computing.
    case plain
  }

  /// Samples that ranges and means are measured on.
  public struct Calibration: Sendable, Equatable {
    public var dataset: String
    /// At most this many rows, from the start. Nil: `defaultSamples`.
    public var samples: Int?

    public static let defaultSamples = 256
  }

  /// Samples that the model is judged by, before and after.
  public struct Evaluation: Sendable, Equatable {
    public var dataset: String
    /// Nil: accuracy where there are labels, else agreement.
    public var metric: Metric?
    /// At most this many rows, from the start. Nil: all.
    public var samples: Int?
    /// The batch sizes that latency is measured at.
    public var batches = Evaluation.defaultBatches

    public static let defaultBatches = [1, 8, 32]
  }

  /// Limits for a result to pass. A nil limit is not checked.
  public struct Constraints: Sendable, Equatable {
    /// How much worse the metric may get, in the metric's own unit: 0.01 is one point of accuracy.
    public var maxDrop: Double?
    /// Latency p50 before divided by after, at least this.
    public var minSpeedup: Double?
    /// The fraction of samples with the same argmax, at least this.
    public var minAgreement: Double?
    /// File bytes after divided by before, at most this.
    public var maxSizeRatio: Double?
    /// File bytes after, at most this.
    public var sizeMax: Int?
    /// Latency p50 after, in milliseconds, at the smallest batch that is measured, at most this.
    public var latencyMax: Double?
    /// Bytes that the loaded model takes, at most this.
    public var memoryMax: Int?

    public init() {}
  }

  public enum ServePolicy: String, Sendable, CaseIterable {
    /// The result becomes the default version if it met every constraint.
    case whenPassed = "when_passed"
    /// The result is kept beside the default version.
    case never
  }

  public init(steps: [Step], preset: Preset? = nil) {
    self.steps = steps
    self.preset = preset
    self.constraints = Constraints()
    self.serve = .whenPassed
  }

  /// The given steps, with the members that were left open decided by whether calibration data are given.
  func resolvedSteps(hasCalibration: Bool) -> [Step] {
    steps.map { step in
      if case .quantize(let quantize) = step {
        return .quantize(quantize.resolved(hasCalibration: hasCalibration))
      }
      return step
    }
  }

  /// The label of the result: the recipe's own, or one such as `pruned50-int8` made from its steps.
  public var resolvedLabel: String {
    if let label { return label }
    if preset == .audit { return "audit" }
    if search != nil { return "searched" }
    if let preset { return preset == .small ? "small" : "int8" }
    return steps.map(\.payload.label).joined(separator: "-")
  }
}
