import GraphIR
import Tensors

extension ShareWeightsStep: CompressionMethod {
  /// Gives every weight one of `clusters` values, those that err least on the calibration data where there is some.
  /// - Throws: `CompressionError.recipe` for patterns that match no layer.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    let layers = LayerScan(model).all
    let reasons = try selection.reasonsToSkip(layers, path: context.path)
    var chosen: [WeightLayer] = []
    for (layer, reason) in zip(layers, reasons) {
      let reason = reason ?? obstacle(layer)
      if let reason {
        ledger.skip(layer, model[graph: layer.path], reason: reason)
      } else {
        chosen.append(layer)
      }
    }
    if chosen.isEmpty { return }
    let reference = model
    let statistics = try context.inputStatistics(of: chosen, .meanSquare, in: model)
    // Layers of one weight share what the first of them asks for.
    var done: [Place: Tensor] = [:]
    for (number, layer) in chosen.enumerated() {
      let graph = model[graph: layer.path]
      let place = Place(path: layer.path, value: layer.weight)
      let result = done[place] ?? shared(layer, statistics[layer.key(in: graph)]?.meanSquare)
      done[place] = result
      ledger.record(
        layer, graph, method: "\(clusters) shared values", effective: result, bytes: result.byteCount)
      try context.resources.meter.advance(to: Double(number + 1) / Double(chosen.count))
    }
    for (place, tensor) in done {
      model[graph: place.path][place.value].constant = tensor
      model[graph: place.path][place.value].sparseConstant = nil
    }
    try context.correctBiases(of: chosen, from: reference, in: &model)
  }

  private func obstacle(_ layer: WeightLayer) -> String? {
    var distinct: Set<Float> = []
    layer.weights.withElements(Float.self) { elements in
      for element in elements where distinct.count <= clusters { distinct.insert(element) }
    }
    return distinct.count <= clusters ? "has \(distinct.count) distinct values already" : nil
  }

  /// - Parameter meanSquare: of each row's input.
  func shared(_ layer: WeightLayer, _ meanSquare: [Double]?) -> Tensor {
    var result = layer.weights
    let values = layer.weights.array(of: Float.self)
    let importance = meanSquare.flatMap { Self.importance(layer, $0) }
    if scope == .tensor {
      let centers = KMeans1D(values, weights: importance, clusters: clusters)
      result.withMutableElements(Float.self) { elements in
        for index in elements.indices {
          elements[index] = centers.centers[centers.index(of: elements[index])]
        }
      }
      return result
    }
    let walk = ChannelWalk(layer.shape, axis: layer.outputAxis)
    var members = [[Int]](repeating: [], count: layer.outputChannels)
    for index in values.indices { members[walk.channel(of: index)].append(index) }
    result.withMutableElements(Float.self) { elements in
      for indices in members where !indices.isEmpty {
        let own = indices.map { values[$0] }
        let shared = KMeans1D(
          own, weights: importance.map { all in indices.map { all[$0] } }, clusters: clusters
        )
        .shared(own)
        for (index, value) in zip(indices, shared) { elements[index] = value }
      }
    }
    return result
  }

  /// E[x²] of the input that each weight multiplies, in the order of the layer's layout.
  private static func importance(_ layer: WeightLayer, _ meanSquare: [Double]) -> [Float]? {
    let layout = layer.matrix
    guard layer.isProduct, meanSquare.count == layout.groups * layout.depth else { return nil }
    var weights: [Float] = []
    weights.reserveCapacity(layout.groups * layout.count)
    for value in meanSquare {
      weights.append(contentsOf: repeatElement(Float(value), count: layout.columns))
    }
    return layer.arranged(weights)
  }
}
