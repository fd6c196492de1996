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
  /// The harmonic mean of precision and recall: of class 1 where labels are 0 and 1, else the mean over the classes.
  case f1
  /// The area under the ROC curve, the mean over the classes against the rest.
  case auroc
  /// The coefficient of determination against the labels.
  case r2
  /// e to the mean of −log softmax(scores)[label] over the positions; negative labels do not count.
  case perplexity

  /// True when the metric compares with labels, false when it compares with a reference model.
  public var needsLabels: Bool {
    switch self {
    case .accuracy, .top5, .rmse, .mae, .f1, .auroc, .r2, .perplexity: true
    case .agreement, .kl, .sqnr, .cosine: false
    }
  }

  /// True for fractions of samples, 0…1.
  var isFraction: Bool { self == .accuracy || self == .top5 || self == .agreement }

  public var higherIsBetter: Bool {
    switch self {
    case .accuracy, .top5, .agreement, .sqnr, .cosine, .f1, .auroc, .r2: true
    case .kl, .rmse, .mae, .perplexity: false
    }
  }
}
