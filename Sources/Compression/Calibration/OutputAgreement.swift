import Engine
import GraphIR
import Tensors

/// How well models agree with a reference on calibration data.
struct OutputAgreement {
  /// The fraction of samples with the same answer, then how much alike the outputs are.
  struct Degree: Comparable {
    var agreement: Double
    var cosine: Double

    static func < (left: Degree, right: Degree) -> Bool {
      left.agreement != right.agreement ? left.agreement < right.agreement : left.cosine < right.cosine
    }
  }

  private let reference: Model
  private let dataset: Dataset
  private let resources: Resources

  init(_ reference: Model, _ dataset: Dataset, _ resources: Resources) {
    self.reference = reference
    self.dataset = dataset
    self.resources = resources
  }

  func of(_ model: Model) throws(CompressionError) -> Degree {
    let paired = try Evaluator.compare(
      try ModelRunner(reference, resources, weightForm: .dense),
      try ModelRunner(model, resources, weightForm: .dense), dataset, metric: .cosine, resources.meter)
    return Degree(agreement: paired.comparison.agreement ?? 1, cosine: paired.comparison.cosine)
  }
}
