import Engine
import GraphIR

/// The samples that a result is judged and timed on: the best that there are.
struct RunSamples {
  var dataset: Dataset?
  var binding: DatasetBinding?
  var evidence: Report.Evidence
  var notes: [String] = []

  /// True when the samples were given for judging.
  var judges: Bool

  /// - Parameter original: `input.model`, compiled.
  /// - Throws: `CompressionError.dataset` when what was given does not fit the model; `.cancelled`.
  init(
    _ input: CompressionInput, _ calibration: Dataset?, _ original: ModelRunner
  ) throws(CompressionError) {
    judges = false
    let program = original.program
    if let evaluation = input.evaluation {
      dataset = try evaluation.prefix(input.recipe.evaluation?.samples ?? evaluation.rows)
      evidence = evaluation.labels == nil ? .unlabelled : .labels
      judges = true
    } else if let calibration {
      dataset = calibration
      evidence = .unlabelled
      notes.append("No evaluation data: outputs are compared on the calibration data.")
    } else if let made = try SyntheticSamples(input.model, original) {
      dataset = made.dataset
      evidence = .synthetic
      let extents = made.extent.map { ", open extents taken as \($0)" } ?? ""
      notes.append("No data: the comparison and the latency rest on made-up inputs\(extents).")
    } else {
      evidence = .none
      notes.append(
        "No data, and none could be made up for these inputs: the result was compiled but not run.")
    }
    if let dataset { binding = try DatasetBinding(dataset, program.inputs) }
    if let calibration { _ = try DatasetBinding(calibration, program.inputs) }
  }

  /// True when data say how good a result is.
  var areReal: Bool { evidence == .labels || evidence == .unlabelled }
}
