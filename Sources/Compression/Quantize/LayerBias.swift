import GraphIR
import Tensors

/// The bias of a layer as one constant for each output channel.
enum LayerBias {
  /// No bias, or one that is not a constant vector over the output channels: left to the graph as it is.
  enum Form {
    case none
    case vector([Float])
    case other
  }

  /// Gemm's `beta` is already in the vector.
  static func form(of layer: WeightLayer, in graph: Graph) -> Form {
    guard let bias = layer.bias else { return .none }
    guard let constant = graph.constant(bias), constant.type == .float32 else { return .other }
    let beta = graph.nodes[layer.node].attributes.float("beta") ?? 1
    let channels = layer.outputChannels
    let values = constant.array(of: Float.self)
    guard values.allSatisfy(\.isFinite) else { return .other }
    if values.count == channels, constant.shape.dimensions.last == channels {
      return .vector(values.map { $0 * beta })
    }
    if values.count == 1 { return .vector([Float](repeating: values[0] * beta, count: channels)) }
    return .other
  }

  /// Adds `shift` to the layer's bias, making one where there is none: for MatMul that of the Add that follows it.
  /// - Returns: false when the graph has no place for it; nothing is changed then.
  static func add(
    _ shift: [Float], to layer: WeightLayer, _ index: GraphIndex, _ editor: inout GraphEditor
  ) throws(TensorError) -> Bool {
    if case .matMul = layer.kind { return try addBehindMatMul(shift, layer, index, &editor) }
    let beta = editor.graph.nodes[layer.node].attributes.float("beta") ?? 1
    switch form(of: layer, in: editor.graph) {
    case .other: return false
    case .none: try setBias(shift, beta: beta, layer, &editor)
    case .vector(let bias): try setBias(zip(bias, shift).map { $0 + $1 }, beta: beta, layer, &editor)
    }
    return true
  }

  /// Gives a Gemm or Conv the constant bias `values`, which takes beta's place.
  static func setBias(
    _ values: [Float], beta: Float, _ layer: WeightLayer, _ editor: inout GraphEditor
  ) throws(TensorError) {
    let bias = editor.addConstant(
      "\(layer.name).bias_shifted", try Tensor(shape: [values.count], values))
    editor.setInput(of: layer.node, at: 2, to: bias)
    if beta != 1 { editor.change(node: layer.node) { $0.attributes["beta"] = nil } }
  }

  private static func addBehindMatMul(
    _ shift: [Float], _ layer: WeightLayer, _ index: GraphIndex, _ editor: inout GraphEditor
  ) throws(TensorError) -> Bool {
    guard let use = index.onlyUse(of: layer.output), editor.graph.nodes[use.node].op == "Add" else {
      return false
    }
    let other = 1 - use.position
    let id = editor.graph.nodes[use.node].inputs[other]
    guard let constant = editor.graph.constant(id), constant.type == .float32,
      constant.shape.dimensions.last == shift.count, constant.elementCount == shift.count
    else { return false }
    let values = zip(constant.array(of: Float.self), shift).map { $0 + $1 }
    let bias = editor.addConstant(
      "\(layer.name).bias_shifted", try Tensor(shape: constant.shape, values))
    editor.setInput(of: use.node, at: other, to: bias)
    return true
  }
}
