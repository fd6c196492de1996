import GraphIR
import Tensors

/// Stores weights in 8 bits and computes in float: W ─ DequantizeLinear ─ layer.
///
/// A transposed Gemm weight is stored untransposed, the form that other runtimes fuse.
struct WeightOnlyQuantization {
  private var editor: GraphEditor

  init(_ graph: Graph) { editor = GraphEditor(graph, "weight quantization") }

  static func obstacle(_ layer: WeightLayer) -> String? {
    if case .convTranspose(let groups) = layer.kind, groups != 1 {
      return "a grouped ConvTranspose has no axis of output channels"
    }
    return nil
  }

  /// Rewrites `layer` and returns the float weight that the integers stand for, in the layer's own layout.
  mutating func apply(_ layer: WeightLayer, _ step: QuantizeStep) throws(TensorError) -> Tensor {
    let quantized = try WeightQuantizer.quantize(layer.weights, axis: layer.outputAxis, step)
    let effective = try WeightQuantizer.dequantize(quantized, axis: layer.outputAxis)
    var stored = quantized
    var axis = layer.outputAxis
    if case .gemm(isTransposed: true) = layer.kind {
      stored.tensor = try quantized.tensor.transposedBytes()
      axis = 1
      editor.change(node: layer.node) { $0.attributes["transB"] = nil }
    }
    let weight = try editor.addDequantizedWeight(stored, axis: axis, layer)
    editor.setInput(of: layer.node, at: 1, to: weight)
    return effective
  }

  consuming func apply(to model: inout Model) throws(CompressionError) { try editor.apply(to: &model) }
}

extension GraphEditor {
  /// Adds `weight` as a constant with its DequantizeLinear before the layer's node; returns the float value.
  mutating func addDequantizedWeight(
    _ weight: QuantizedWeight, axis: Int, _ layer: WeightLayer
  ) throws(TensorError) -> ValueID {
    let isPerChannel = weight.scales.count > 1
    let shape: Shape = isPerChannel ? [weight.scales.count] : .scalar
    let codes = addConstant("\(layer.name).weight_q", weight.tensor)
    let scale = addConstant("\(layer.name).weight_scale", try Tensor(shape: shape, weight.scales))
    let zeroPoint = addConstant(
      "\(layer.name).weight_zero_point", try weight.zeroPointTensor(shape))
    let output = addValue("\(layer.name).weight_dq", type: .float32)
    insert(
      Node(
        name: "\(layer.name)/weight_dequantize", op: "DequantizeLinear", inputs: [codes, scale, zeroPoint],
        outputs: [output], attributes: isPerChannel ? ["axis": .int(axis)] : [:]), before: layer.node)
    return output
  }
}
