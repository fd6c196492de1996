import GraphIR
import Tensors

/// Runs samples through a model and shows the values inside it.
enum ActivationObserver {
  /// Bytes that the observed values of one call may take.
  private static let memoryLimit = 256 << 20
  private static let rowsPerCall = 32

  /// Calls `visit` with the elements of each of `values` (by position) for every batch of `dataset`, in order. No
  /// value is kept beyond its batch.
  /// - Throws: `CompressionError`; whatever `visit` throws.
  static func observe(
    _ values: [ValueID], in model: Model, _ dataset: Dataset, _ resources: Resources,
    visit: (Int, Tensor) throws(CompressionError) -> Void
  ) throws(CompressionError) {
    if values.isEmpty { return }
    let observed = try ObservedModel(model, values, resources)
    let binding = try DatasetBinding(dataset, observed.ports)
    let size = try rowsThatFit(observed, binding)
    for range in binding.batches(of: size) {
      let tensors = try observed.values(for: binding.inputs(range))
      for (index, tensor) in tensors.enumerated() { try visit(index, tensor) }
      try resources.meter.advance(to: Double(range.upperBound) / Double(binding.rows))
    }
  }

  /// Rows for a call within the memory limit, from what a first call with one row takes.
  static func rowsThatFit(_ observed: ObservedModel, _ binding: DatasetBinding) throws(CompressionError)
    -> Int
  {
    if binding.batching != .open { return 1 }
    let bytes = try observed.values(for: binding.inputs(0..<1)).reduce(0) { $0 + $1.byteCount }
    return max(1, min(rowsPerCall, memoryLimit / max(bytes, 1)))
  }
}
