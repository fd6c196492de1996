import GraphIR
import Tensors

/// What steps that change weights make of the calibration data.
extension StepContext {
  /// Moments of the inputs of those of `layers` that multiply; none without data.
  func inputStatistics(
    of layers: [WeightLayer], _ need: StatisticsNeed, in model: Model
  ) throws(CompressionError) -> [LayerKey: InputStatistics] {
    guard let calibration else { return [:] }
    var wanted: [(layer: WeightLayer, need: StatisticsNeed)] = []
    for layer in layers where layer.isProduct { wanted.append((layer, need)) }
    if wanted.isEmpty { return [:] }
    return try InputStatisticsPass.measure(wanted, in: model, calibration, memory: memory, resources)
  }

  /// Lets biases take up what changed weights lose on average, where the outputs then agree no worse on the data.
  func correctBiases(
    of layers: [WeightLayer], from reference: Model, in model: inout Model
  ) throws(CompressionError) {
    var keys: [LayerKey] = []
    for layer in layers where layer.isProduct { keys.append(layer.key(in: reference[graph: layer.path])) }
    if keys.isEmpty { return }
    try BiasCorrector.correct(keys, from: reference, in: &model, self, keepsOnlyGains: true)
  }
}
