import GraphIR
import Tensors

/// How much a walk over the calibration data costs, counted and not timed: what is chosen by it must not depend on the
/// machine.
enum CalibrationWork {
  /// Multiplications that layer-by-layer methods may take: some seconds.
  static let limit = 2e11

  /// Multiplications of `layers` for the whole dataset, from the shapes that one call has.
  static func multiplications(
    of layers: [WeightLayer], in model: Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) -> Double {
    let values = layers.map { layer in
      if case .convTranspose = layer.kind { return layer.activation }
      return layer.output
    }
    let observed = try ObservedModel(model, values, resources)
    let binding = try DatasetBinding(dataset, observed.ports)
    let batch = binding.batches(of: 1)
    let tensors = try observed.values(for: binding.inputs(batch[0]))
    var sum = 0.0
    for (layer, tensor) in zip(layers, tensors) {
      sum += Double(tensor.elementCount) * Double(layer.multipliesPerElement)
    }
    return sum * Double(batch.count)
  }
}
