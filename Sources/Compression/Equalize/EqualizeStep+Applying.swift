import GraphIR
import Tensors

extension EqualizeStep: CompressionMethod {
  /// Equalizes every pair whose first layer the step selects.
  func apply(
    to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    let graph = model.graph
    let index = GraphIndex(graph)
    let layers = LayerScan(model).layers
    let reasons = try selection.reasonsToSkip(layers, path: context.path)
    var pairs: [EqualizedPair] = []
    var left: [Int: String] = [:]
    for (position, layer) in layers.enumerated() {
      if let reason = reasons[position] {
        left[position] = reason
        continue
      }
      if index.uses[layer.weight]?.count != 1 {
        left[position] = "its weight is shared with another node"
        continue
      }
      switch EqualizedPair.find(position, layers, graph, index) {
      case .pair(let pair) where index.uses[layers[pair.second].weight]?.count == 1: pairs.append(pair)
      case .pair: left[position] = "the weight of the layer behind it is shared with another node"
      case .none(let reason): left[position] = reason
      }
    }
    let biases = pairs.map { pair in
      pair.bias.flatMap { graph.constant(graph.nodes[$0.node].inputs[$0.position]) }.map {
        Self.spread($0.array(of: Float.self), to: pair.channels)
      }
    }
    let balanced = CrossLayerEqualization.balance(pairs, layers, biases: biases)
    let isFinite =
      balanced.weights.allSatisfy { $0.allSatisfy(\.isFinite) }
      && balanced.biases.allSatisfy { $0?.allSatisfy(\.isFinite) ?? true }
    if !isFinite { throw .verification(step: context.path, reason: "balanced weights are not finite") }
    try write(balanced, pairs, layers, to: &model, &ledger, left)
  }

  /// A bias of one number holds for every channel.
  private static func spread(_ values: [Float], to channels: Int) -> [Float] {
    values.count == 1 ? [Float](repeating: values[0], count: channels) : values
  }

  private func write(
    _ balanced: CrossLayerEqualization.Balanced, _ pairs: [EqualizedPair], _ layers: [WeightLayer],
    to model: inout Model, _ ledger: inout LayerLedger, _ left: [Int: String]
  ) throws(CompressionError) {
    let graph = model.graph
    var editor = GraphEditor(graph, "equalization")
    for (position, layer) in layers.enumerated() {
      guard balanced.isChanged[position] else {
        ledger.skip(layer, graph, reason: left[position] ?? "is balanced already")
        continue
      }
      let weights = try tensors { () throws(TensorError) in
        try Tensor(shape: layer.shape, balanced.weights[position])
      }
      let value = editor.addConstant("\(graph[layer.weight].name)_equalized", weights)
      editor.setInput(of: layer.node, at: layer.input, to: value)
      let scalesOutput = pairs.contains { $0.first == position }
      ledger.rescale(layer, graph, method: "equalized", weights, scalesOutput: scalesOutput)
    }
    for (pair, bias) in zip(pairs, balanced.biases) {
      guard let use = pair.bias, let bias, balanced.isChanged[pair.first] else { continue }
      let old = graph.nodes[use.node].inputs[use.position]
      guard let shape = graph.constant(old)?.shape else { continue }
      let tensor = try tensors { () throws(TensorError) in
        try Tensor(shape: shape.elementCount == bias.count ? shape : [bias.count], bias)
      }
      editor.setInput(
        of: use.node, at: use.position, to: editor.addConstant("\(graph[old].name)_equalized", tensor))
    }
    try editor.apply(to: &model)
  }
}
