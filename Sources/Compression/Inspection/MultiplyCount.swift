import GraphIR
import Tensors

/// Counts multiply-accumulates from shapes alone, with every free extent taken as 1.
struct MultiplyCount {
  private let graph: Graph?
  private let ids: [String: ValueID]

  /// Shapes are inferred on the newest form of `model`; where that fails nothing is counted.
  init(_ model: Model) {
    var model = (try? model.raised()) ?? model
    // Without them, what follows has no shapes.
    var lowered = model
    if model.hasContribOperators, (try? lowered.lowerContribOperators()) != nil { model = lowered }
    for id in model.graph.inputs {
      guard let type = model.graph[id].type?.tensor, let dimensions = type.dimensions else { continue }
      let extents = dimensions.map { Dimension.known($0.extent ?? 1) }
      model.graph[id].type = .tensor(TensorType(type.element, extents))
    }
    // Types that the file declares for other values would contradict the extents chosen here.
    for index in model.graph.values.indices where !model.graph.inputs.contains(ValueID(index)) {
      model.graph.values[index].type = nil
    }
    graph = (try? model.graph.inferTypes()) == nil ? nil : model.graph
    ids = Dictionary(
      model.graph.values.indices.map { (model.graph.values[$0].name, ValueID($0)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// - Parameters:
  ///   - layer: of the model that this was made from.
  ///   - original: that model's graph, which names the layer's values.
  func perSample(_ layer: WeightLayer, in original: Graph) -> Int? {
    let value = if case .convTranspose = layer.kind { layer.activation } else { layer.output }
    return elements(original[value].name).map { $0 * layer.multipliesPerElement }
  }

  private func elements(_ name: String) -> Int? {
    guard let graph, let id = ids[name] else { return nil }
    return graph[id].type?.tensor?.shape?.checkedElementCount
  }
}
