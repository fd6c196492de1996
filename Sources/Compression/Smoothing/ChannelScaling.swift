import GraphIR
import Tensors

/// Collects factors for the inputs of layers and writes them into a graph: weights are multiplied, what computes the
/// inputs is divided, and where nothing can be, a Mul in front of the layers does it.
struct ChannelScaling {
  let graph: Graph
  let index: GraphIndex
  /// The products of the main graph.
  let layers: [WeightLayer]
  /// Layers whose weight has changed by now, by their position.
  private var changed: [Int: WeightLayer] = [:]
  private var methods: [Int: String] = [:]
  private var rescaledOutputs: Set<Int> = []
  private var constants: [GraphIndex.Use: Tensor] = [:]
  private var products: [(group: SmoothingGroup, factors: [Float])] = []

  init(_ model: Model) {
    graph = model.graph
    index = GraphIndex(model.graph)
    layers = LayerScan(model).layers
  }

  /// - Parameter method: how the report calls what happens to the group's layers.
  mutating func take(_ factors: [Float], _ group: SmoothingGroup, method: String) {
    for position in group.positions {
      changed[position] = (changed[position] ?? layers[position]).multiplied(by: factors)
      methods[position] = method
    }
    guard let source = group.source else {
      products.append((group, factors))
      return
    }
    for use in source.vectors { divide(use, by: factors) }
    if let layer = source.layer {
      changed[layer] = (changed[layer] ?? layers[layer]).divided(by: factors)
      rescaledOutputs.insert(layer)
    }
  }

  private mutating func divide(_ use: GraphIndex.Use, by factors: [Float]) {
    guard let constant = constants[use] ?? graph.constant(graph.nodes[use.node].inputs[use.position]) else {
      preconditionFailure("factors are taken by constants")
    }
    var values = constant.array(of: Float.self)
    var shape = constant.shape
    // One number that held for all channels is one for each now.
    if values.count == 1 && factors.count > 1 {
      values = [Float](repeating: values[0], count: factors.count)
      shape = [factors.count]
    }
    for channel in values.indices { values[channel] /= factors[channel] }
    constants[use] = Self.tensor(shape, values)
  }

  /// Makes the change.
  consuming func apply(to model: inout Model, _ ledger: inout LayerLedger) throws(CompressionError) {
    if changed.isEmpty { return }
    var editor = GraphEditor(graph, "smoothing")
    for (position, layer) in changed.sorted(by: { $0.key < $1.key }) {
      let value = editor.addConstant("\(graph[layer.weight].name)_smoothed", layer.weights)
      editor.setInput(of: layer.node, at: layer.input, to: value)
      ledger.rescale(
        layers[position], graph, method: methods[position] ?? "divided for smoothing", layer.weights,
        scalesOutput: rescaledOutputs.contains(position))
    }
    for (use, constant) in constants.sorted(by: { $0.key.order < $1.key.order }) {
      let name = graph[graph.nodes[use.node].inputs[use.position]].name
      editor.setInput(of: use.node, at: use.position, to: editor.addConstant("\(name)_smoothed", constant))
    }
    for (group, factors) in products { insert(factors, group, &editor) }
    try editor.apply(to: &model)
  }

  /// Puts a Mul between the input of a group and its layers.
  private func insert(_ factors: [Float], _ group: SmoothingGroup, _ editor: inout GraphEditor) {
    let layer = group.layers[0]
    let spatial = layer.isConvolution ? layer.shape.rank - 2 : 0
    let name = graph[layer.activation].name
    let divisors = Self.tensor(
      Shape([factors.count] + [Int](repeating: 1, count: spatial)), factors.map { 1 / $0 })
    let factor = editor.addConstant("\(name).smoothing", divisors)
    let output = editor.addValue("\(name).smoothed", type: .float32)
    let first = group.layers.map(\.node).min() ?? layer.node
    editor.insert(
      Node(name: "\(name)/smooth", op: "Mul", inputs: [layer.activation, factor], outputs: [output]),
      before: first)
    for layer in group.layers { editor.setInput(of: layer.node, at: 0, to: output) }
  }

  private static func tensor(_ shape: Shape, _ values: [Float]) -> Tensor {
    guard let tensor = try? Tensor(shape: shape, values) else {
      preconditionFailure("as many values as the shape holds")
    }
    return tensor
  }
}

extension GraphIndex.Use {
  fileprivate var order: (Int, Int) { (node, position) }
}
