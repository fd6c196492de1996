import Engine
import Tensors

/// Measures candidates against the original: on the same samples, with calls that alternate.
final class CandidateEvaluator {
  /// For one batch size, both models together.
  private static let secondsPerBatch = 0.3

  let reference: ReferenceOutputs
  private let metric: Metric?
  private let batches: [Int]
  private let measuresMemory: Bool
  private let resources: Resources
  /// p50 of the original by batch size, from the first measurement: later ones are brought to the speed that the
  /// machine had then.
  private var baseline: [Int: Double] = [:]

  /// - Parameter metric: nil for the one that suits the samples.
  init(
    _ reference: ReferenceOutputs, metric: Metric?, batches: [Int], measuresMemory: Bool,
    _ resources: Resources
  ) {
    self.reference = reference
    self.metric = metric
    self.batches = batches
    self.measuresMemory = measuresMemory
    self.resources = resources
  }

  /// - Parameter rows: of the samples, from the start; nil for all.
  /// - Throws: `CompressionError.model` when the candidate fails.
  func quality(of candidate: ModelRunner, rows: Int? = nil) throws(CompressionError) -> Quality {
    let paired = try Evaluator.compare(reference, candidate, metric: metric, rows: rows, resources.meter)
    // Where the metric has no value, as agreement of outputs that decide nothing, their direction says how far off.
    let loss = paired.drop ?? (1 - paired.comparison.cosine)
    return Quality(metric: paired.after, comparison: paired.comparison, loss: loss)
  }

  /// How many times as long as the original a call of the candidate takes: the geometric mean over the batch sizes.
  func slowdown(of candidate: ModelRunner) throws(CompressionError) -> Double {
    1 / (LatencyProbe.speedup(try times(of: candidate)) ?? 1)
  }

  private func times(of candidate: ModelRunner) throws(CompressionError) -> [(a: Latency, b: Latency)] {
    try LatencyProbe.compare(
      reference.runner, candidate, reference.binding, batches: batches, seconds: Self.secondsPerBatch,
      resources.meter)
  }

  /// - Parameter file: the candidate as it is stored.
  func cost(of candidate: ModelRunner, file: [UInt8]) throws(CompressionError) -> Cost {
    let times = try times(of: candidate)
    if baseline.isEmpty { for (a, _) in times { baseline[a.batch] = a.p50Microseconds } }
    var p50: [Int: Double] = [:]
    for (a, b) in times {
      p50[b.batch] =
        b.p50Microseconds * (baseline[a.batch] ?? a.p50Microseconds) / max(a.p50Microseconds, 1e-3)
    }
    var cost = Cost(fileBytes: file.count, p50Microseconds: p50)
    if measuresMemory {
      cost.residentBytes = try ResidentMemory.bytes(of: file, reference.binding, resources)
    }
    return cost
  }
}
