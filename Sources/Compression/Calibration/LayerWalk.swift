import GraphIR
import Tensors

/// Changes the weights of layers in graph order, each by the inputs that those before it give by then.
///
/// Every layer has a walk over the calibration data of its own as long as that is little work; else layers are taken
/// together, as many as the memory for their statistics holds.
struct LayerWalk {
  var context: StepContext
  var need: StatisticsNeed
  /// Biases take up what the layers of each walk lose on average, before the next is measured.
  var correctsBiases = false

  /// - Parameters:
  ///   - keys: layers whose weights no other of them shares.
  ///   - change: what a layer's weight becomes; gets no statistics for layers whose inputs cannot be measured.
  /// - Throws: whatever `change` throws; `CompressionError.model`, `.dataset`.
  func run(
    _ keys: [LayerKey], in model: inout Model, _ dataset: Dataset,
    change: (LayerKey, WeightLayer, InputStatistics?) throws(CompressionError) -> Tensor
  ) throws(CompressionError) {
    let reference = model
    let layers = LayerScan(model).layers.filter { keys.contains($0.key(in: reference.graph)) }
    if layers.isEmpty { return }
    let work = try CalibrationWork.multiplications(
      of: layers.filter { $0.path.steps.isEmpty }, in: model, dataset, context.resources)
    let isInOrder = work * Double(layers.count) <= CalibrationWork.limit
    let wanted = layers.map { (layer: $0, need: need) }
    let portions =
      isInOrder ? wanted.map { [$0] } : InputStatisticsPass.portions(wanted, memory: context.memory)
    for portion in portions {
      let keys = portion.map { $0.layer.key(in: reference.graph) }
      try replaceWeights(keys, &model, dataset, change)
      if correctsBiases {
        try BiasCorrector.correct(keys, from: reference, in: &model, context, keepsOnlyGains: false)
      }
    }
  }

  private func replaceWeights(
    _ keys: [LayerKey], _ model: inout Model, _ dataset: Dataset,
    _ change: (LayerKey, WeightLayer, InputStatistics?) throws(CompressionError) -> Tensor
  ) throws(CompressionError) {
    // What was done before may have moved nodes and values.
    let graph = model.graph
    let layers = LayerScan(model).layers.filter { keys.contains($0.key(in: graph)) }
    let statistics = try InputStatisticsPass.measure(
      layers.map { ($0, need) }, in: model, dataset, memory: context.memory, context.resources)
    var editor = GraphEditor(graph, "new weights")
    for layer in layers {
      let key = layer.key(in: graph)
      editor.setConstant(layer.weight, try change(key, layer, statistics[key]))
      try context.resources.meter.tick()
    }
    try editor.apply(to: &model)
  }
}
