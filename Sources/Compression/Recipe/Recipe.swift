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

  public enum Preset: String, Sendable, CaseIterable {
    /// Dynamic int8: needs no data.
    case safe
    /// Static int8 where calibration data are given, dynamic int8 elsewhere.
    case balanced
    /// As `balanced`; convolutions need calibration data to get faster.
    case fast
    /// Weights to int8, activations in float: the smallest file with the least risk.
    case small
    /// Measures and changes nothing.
    case audit
  }

  public enum Step: Sendable, Equatable {
    case prune(PruneStep)
    case quantize(QuantizeStep)
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

  /// The steps to take. Presets and members that were left open depend on whether calibration data are given.
  public func resolvedSteps(hasCalibration: Bool) -> [Step] {
    let open: [Step] =
      switch preset {
      case nil: steps
      case .safe: [.quantize(QuantizeStep(activations: .dynamic))]
      case .balanced, .fast: [.quantize(QuantizeStep(activations: nil))]
      case .small: [.quantize(QuantizeStep(activations: QuantizeStep.Activations.none))]
      case .audit: []
      }
    return open.map { step in
      guard case .quantize(var quantize) = step else { return step }
      quantize.activations = quantize.activations ?? (hasCalibration ? .static : .dynamic)
      return .quantize(quantize)
    }
  }

  /// The label of the result: the recipe's own, or one such as `pruned50-int8` made from its steps.
  public var resolvedLabel: String {
    if let label { return label }
    if preset == .audit { return "audit" }
    let parts = resolvedSteps(hasCalibration: false).map { step in
      switch step {
      case .prune(let prune): prune.sparsity.map { "pruned\(Int(($0 * 100).rounded()))" } ?? "pruned"
      case .quantize(let quantize): quantize.weights.rawValue
      }
    }
    return parts.joined(separator: "-")
  }
}

/// Sets weights to zero.
public struct PruneStep: Sendable, Equatable {
  public enum Method: String, Sendable, CaseIterable {
    /// The smallest |w| first.
    case magnitude
    /// Every |w| < `epsilon`.
    case threshold
    /// A seeded choice: the baseline that any method must beat.
    case random
  }

  public enum Scope: String, Sendable, CaseIterable {
    /// Every layer gets the same sparsity.
    case layer
    /// One ranking over all layers.
    case global
  }

  public enum Repair: String, Sendable, CaseIterable {
    /// `bias` where there are calibration data and it improves the agreement on them, else `none`.
    case auto
    case none
    /// Biases take up the mean of what the zeroed weights contributed.
    case bias
  }

  public var method: Method = .magnitude
  /// The fraction of weights to zero; nil for `threshold`.
  public var sparsity: Double?
  /// Only for `threshold`.
  public var epsilon: Double?
  public var scope: Scope = .layer
  public var repair: Repair = .auto
  public var selection = LayerSelection()

  public init(sparsity: Double) { self.sparsity = sparsity }
  public init(epsilon: Double) {
    self.method = .threshold
    self.epsilon = epsilon
  }
}

/// Stores weights, and computes, in 8-bit integers.
public struct QuantizeStep: Sendable, Equatable {
  public enum Weights: String, Sendable, CaseIterable {
    /// Symmetric, −127…127.
    case int8
    /// Symmetric around zero point 128: the same values in the form that avoids saturation in runtimes that
    /// multiply unsigned with signed bytes.
    case uint8
  }

  public enum Activations: String, Sendable, CaseIterable {
    /// Ranges measured once on calibration data.
    case `static`
    /// Ranges measured at every inference.
    case dynamic
    /// Float: only the weights are stored in 8 bits.
    case none
  }

  public enum Granularity: String, Sendable, CaseIterable {
    /// One scale for each output channel.
    case channel
    case tensor
  }

  public enum Calibrator: Sendable, Equatable {
    case minmax
    case movingAverage
    /// Cuts off so that this percentage of the values stays inside, 50…100.
    case percentile(Double)
    case entropy
    case mse
  }

  public var weights: Weights = .int8
  /// Nil: static where there are calibration data, else dynamic.
  public var activations: Activations?
  public var granularity: Granularity = .channel
  public var calibrator: Calibrator = .minmax
  public var biasCorrection = true
  public var selection = LayerSelection()

  public init(activations: Activations?) { self.activations = activations }
}

/// Which layers a step works on: names or globs (`*`, `?`), and the words `first`, `last` and `depthwise`.
public struct LayerSelection: Sendable, Equatable {
  /// Nil: all.
  public var layers: [String]?
  public var exclude: [String] = []

  public init() {}
}

/// How well a model's outputs fit the labels, or the outputs of the model that it was made from.
public enum Metric: String, Sendable, Codable, CaseIterable {
  /// The fraction of samples whose largest output is the label.
  case accuracy
  /// The fraction of samples whose label is among the five largest outputs.
  case top5
  /// The fraction of samples with the same argmax as the reference.
  case agreement
  /// Mean Kullback-Leibler divergence from the reference's softmax, in nats.
  case kl
  /// Signal to quantization noise ratio against the reference, in dB.
  case sqnr
  /// Cosine similarity with the reference.
  case cosine
  /// Root mean squared error against the labels.
  case rmse
  /// Mean absolute error against the labels.
  case mae

  /// True when the metric compares with labels, false when it compares with a reference model.
  public var needsLabels: Bool {
    switch self {
    case .accuracy, .top5, .rmse, .mae: true
    case .agreement, .kl, .sqnr, .cosine: false
    }
  }

  /// True for fractions of samples, 0…1.
  var isFraction: Bool { self == .accuracy || self == .top5 || self == .agreement }

  public var higherIsBetter: Bool {
    switch self {
    case .accuracy, .top5, .agreement, .sqnr, .cosine: true
    case .kl, .rmse, .mae: false
    }
  }
}
