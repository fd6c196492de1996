import Engine
import Tensors

/// What the original answers to the samples, kept as far as memory allows: every candidate is compared with it.
final class ReferenceOutputs {
  /// Bytes of outputs that are kept.
  private static let memoryLimit = 256 << 20

  let runner: ModelRunner
  let dataset: Dataset
  private let areReal: Bool
  let binding: DatasetBinding
  /// Ranges of rows, each of one call.
  let batches: [Range<Int>]
  private var kept: [Int: [Tensor]] = [:]
  private var keptBytes = 0

  /// - Parameter areReal: false for made-up samples, which a model may answer with NaN.
  /// - Throws: `CompressionError.dataset` when the samples do not fit the model.
  init(_ runner: ModelRunner, _ dataset: Dataset, areReal: Bool = true) throws(CompressionError) {
    self.runner = runner
    self.dataset = dataset
    self.areReal = areReal
    binding = try DatasetBinding(dataset, runner.program.inputs)
    batches = binding.batches(of: Evaluator.rowsPerCall)
  }

  /// The outputs for a batch, with the rows on their leading axis.
  func outputs(_ batch: Int, _ inputs: [Tensor]) throws(CompressionError) -> [Tensor] {
    if let outputs = kept[batch] { return outputs }
    let outputs = try binding.rowsLeading(runner.run(inputs))
    if areReal && outputs.first.map(Self.holdsNothing) == true {
      throw .dataset(
        "the model's first output is NaN throughout for samples from \(batches[batch].lowerBound) on: "
          + "nothing can be judged by them")
    }
    let bytes = outputs.reduce(0) { $0 + $1.byteCount }
    if keptBytes + bytes <= Self.memoryLimit {
      kept[batch] = outputs
      keptBytes += bytes
    }
    return outputs
  }
}

extension ReferenceOutputs {
  private static func holdsNothing(_ output: Tensor) -> Bool {
    guard output.type == .float32, output.elementCount > 0 else { return false }
    return output.withElements(Float.self) { $0.allSatisfy(\.isNaN) }
  }
}

extension DatasetBinding {
  /// Outputs with the rows of the dataset on their leading axis: a model without a batch axis gets one.
  func rowsLeading(_ outputs: [Tensor]) throws(CompressionError) -> [Tensor] {
    if batching != .single { return outputs }
    var result: [Tensor] = []
    for output in outputs {
      do {
        result.append(try output.reshaped(to: Shape([1] + output.shape.dimensions)))
      } catch {
        throw .dataset("\(error)")
      }
    }
    return result
  }
}
