import GraphIR
import Tensors

/// Rewrites layers so that activations are quantized at every call:
///
///     x ─ DynamicQuantizeLinear ─ q, s, z
///     q, W, z ─ MatMulInteger ─ Cast ─ Mul(s · scale) ─ Add(bias)
///
/// or, with a scale for every row, `RowQuantization` in the place of DynamicQuantizeLinear.
///
/// Gemm's alpha goes into the scales, beta into the bias, a transposed weight is stored untransposed.
struct DynamicForm {
  private struct QuantizedActivation {
    var codes, scale, zeroPoint: ValueID
  }

  private struct ActivationKey: Hashable {
    var value: ValueID
    var scale: QuantizeStep.ActivationScale
  }

  private var editor: GraphEditor
  private var activations: [ActivationKey: QuantizedActivation] = [:]
  private let index: GraphIndex
  private let opset: Int

  init(_ graph: Graph, opset: Int) {
    editor = GraphEditor(graph, "dynamic quantization")
    index = GraphIndex(graph)
    self.opset = opset
  }

  /// Why `layer` cannot be rewritten; nil when it can.
  static func obstacle(_ layer: WeightLayer, in graph: Graph, _ step: QuantizeStep) -> String? {
    switch layer.kind {
    case .matMul where layer.shape.rank != 2:
      return "dynamic quantization takes a weight of rank 2, this one has \(layer.shape.rank)"
    case .convTranspose: return "ONNX has no integer ConvTranspose"
    case .conv where step.activationScale == .row:
      return "activation_scale row is for products of matrices; a convolution has no rows"
    case .conv where !step.selection.asksFor(layer.name):
      return
        "dynamic int8 convolution costs accuracy and speed; use activations static with calibration data, "
        + "or name the layer in layers"
    case .gemm:
      let beta = graph.nodes[layer.node].attributes.float("beta") ?? 1
      if beta != 1, case .other = LayerBias.form(of: layer, in: graph) {
        return "Gemm with beta \(beta) and a bias that is no constant vector"
      }
      return nil
    case .matMul, .conv: return nil
    case .table, .recurrent: return "ONNX has no integer \(layer.op)"
    }
  }

  /// Rewrites `layer` and returns the float weight that the integers stand for, in the layer's own layout.
  mutating func apply(_ assignment: QuantizeAssignment) throws(CompressionError) -> Tensor {
    let (layer, step) = (assignment.layer, assignment.step)
    let weight = try assignment.codedWeight()
    return try tensors { () throws(TensorError) in
      try replace(layer, weight, step.activationScale)
      return try weight.decoded(layer.weightAxes)
    }
  }

  consuming func apply(to model: inout Model) throws(CompressionError) { try editor.apply(to: &model) }

  private mutating func replace(
    _ layer: WeightLayer, _ coded: CodedWeight, _ activationScale: QuantizeStep.ActivationScale
  ) throws(TensorError) {
    let isByRow = activationScale == .row
    let node = editor.nodes[layer.node]
    var codes = coded.codes
    if case .gemm(isTransposed: true) = layer.kind { codes = try codes.transposedCodes() }
    let scales = coded.scales.map { $0.scale * layer.alpha }
    let x = try activation(layer.activation, activationScale)
    let weight = editor.addConstant("\(layer.name).weight_q", codes)
    var inputs = [x.codes, weight, x.zeroPoint]
    if let zeroPoint = coded.scales.first?.zeroPoint, zeroPoint != 0 {
      let tensor = try Tensor(codes: [zeroPoint], as: coded.storage, shape: .scalar)
      inputs.append(editor.addConstant("\(layer.name).weight_zero_point", tensor))
    }
    let channelShape = channelShape(layer, scales.count)
    let scale = editor.addConstant("\(layer.name).weight_scale", try Tensor(shape: channelShape, scales))
    let product = editor.addValue("\(layer.name).int32", type: .int32)
    let float = editor.addValue("\(layer.name).float", type: .float32)
    let combined = editor.addValue("\(layer.name).\(isByRow ? "rows" : "scale")", type: .float32)
    let bias = try biasValue(layer, node)
    let scaled = bias == nil ? layer.output : editor.addValue("\(layer.name).scaled", type: .float32)

    let op: OperatorName = layer.isConvolution ? "ConvInteger" : "MatMulInteger"
    var nodes = [
      Node(
        name: layer.name, op: op, inputs: inputs, outputs: [product],
        attributes: layer.isConvolution ? node.attributes : [:]),
      Node(
        name: "\(layer.name)/cast", op: "Cast", inputs: [product], outputs: [float],
        attributes: ["to": .int(1)]),
    ]
    if isByRow {
      nodes += [
        Node(name: "\(layer.name)/row_scale", op: "Mul", inputs: [float, x.scale], outputs: [combined]),
        Node(name: "\(layer.name)/dequantize", op: "Mul", inputs: [combined, scale], outputs: [scaled]),
      ]
    } else {
      nodes += [
        Node(name: "\(layer.name)/scale", op: "Mul", inputs: [x.scale, scale], outputs: [combined]),
        Node(name: "\(layer.name)/dequantize", op: "Mul", inputs: [float, combined], outputs: [scaled]),
      ]
    }
    if let bias {
      nodes.append(
        Node(name: "\(layer.name)/bias", op: "Add", inputs: [scaled, bias], outputs: [layer.output]))
    }
    editor.replace(node: layer.node, with: nodes)
  }

  /// `value` in uint8; consumers of one value share it.
  private mutating func activation(
    _ value: ValueID, _ scale: QuantizeStep.ActivationScale
  ) throws(TensorError) -> QuantizedActivation {
    let key = ActivationKey(value: value, scale: scale)
    if let known = activations[key] { return known }
    let name = editor.graph[value].name
    let result: QuantizedActivation
    let nodes: [Node]
    switch scale {
    case .tensor:
      result = QuantizedActivation(
        codes: editor.addValue("\(name).q", type: .uint8),
        scale: editor.addValue("\(name).scale", type: .float32),
        zeroPoint: editor.addValue("\(name).zero_point", type: .uint8))
      nodes = [
        Node(
          name: "\(name)/quantize", op: "DynamicQuantizeLinear", inputs: [value],
          outputs: [result.codes, result.scale, result.zeroPoint])
      ]
    case .row:
      let rows = try RowQuantization(value, opset: opset, &editor)
      result = QuantizedActivation(codes: rows.codes, scale: rows.scale, zeroPoint: rows.zeroPoint)
      nodes = rows.nodes
    }
    for node in nodes { editor.insert(node, after: index.producers[value]) }
    activations[key] = result
    return result
  }

  private mutating func biasValue(_ layer: WeightLayer, _ node: Node) throws(TensorError) -> ValueID? {
    switch LayerBias.form(of: layer, in: editor.graph) {
    case .none: return nil
    case .other: return layer.bias
    case .vector(let bias):
      let beta = node.attributes.float("beta") ?? 1
      if !layer.isConvolution && beta == 1 { return layer.bias }
      let shape = channelShape(layer, bias.count)
      return editor.addConstant("\(layer.name).bias", try Tensor(shape: shape, bias))
    }
  }

  /// The shape that puts one number per output channel beside the layer's output; a single one is a scalar.
  private func channelShape(_ layer: WeightLayer, _ count: Int) -> Shape {
    if count == 1 && layer.outputChannels != 1 { return .scalar }
    return layer.isConvolution
      ? Shape([count] + [Int](repeating: 1, count: layer.shape.rank - 2)) : Shape([count])
  }
}
