import GraphIR
import Tensors

/// Rewrites layers in the QDQ form: activations per tensor with ranges measured before, weights
/// with an explicit zero point, biases int32 with scale s_x · s_w.
///
///     x ─ QuantizeLinear ─ DequantizeLinear ─┐
///     W ─ DequantizeLinear(axis) ────────────┼─ layer ─ (Relu) ─ QuantizeLinear ─ DequantizeLinear ─ …
///     bias int32 ─ DequantizeLinear ─────────┘
///
/// A tensor has one QuantizeLinear, and a DequantizeLinear for each reader, as the fusions of other runtimes
/// need it.
struct StaticForm {
  private struct Parameters {
    var values: ActivationParameters
    var scale, zeroPoint: ValueID
  }

  private var editor: GraphEditor
  private var writer = LayerWriter()
  private let index: GraphIndex
  private let tensors: ActivationPlacement
  private let layerNodes: Set<Int>
  private var parameters: [ValueID: Parameters] = [:]

  /// - Parameter ranges: by the sources of all `tensors`.
  init(
    _ graph: Graph, _ assignments: [QuantizeAssignment], _ tensors: ActivationPlacement,
    ranges: [ValueID: ValueRange]
  ) throws(TensorError) {
    editor = GraphEditor(graph, "static quantization")
    index = GraphIndex(graph)
    self.tensors = tensors
    layerNodes = Set(assignments.map(\.layer.node))
    for value in tensors.values {
      let source = tensors.source(of: value)
      guard parameters[source] == nil else { continue }
      guard let range = ranges[source] else { preconditionFailure("no range for \(graph[source].name)") }
      let values = ActivationParameters(range, tensors.step(of: source)?.activationType ?? .uint8)
      let name = graph[source].name
      parameters[source] = Parameters(
        values: values, scale: editor.addConstant("\(name).scale", try Tensor(scalar: values.scale)),
        zeroPoint: editor.addConstant("\(name).zero_point", try values.zeroPointTensor()))
    }
  }

  static func obstacle(_ layer: WeightLayer) -> String? {
    switch layer.kind {
    case .matMul where layer.shape.rank != 2:
      "static quantization takes a weight of rank 2, this one has \(layer.shape.rank)"
    case .convTranspose: "no runtime has an integer ConvTranspose"
    case .matMul, .gemm, .conv: nil
    case .table, .recurrent: "ONNX has no integer \(layer.op)"
    }
  }

  /// Quantizes weight and bias of `layer` and returns the float weight that the integers stand for.
  mutating func apply(_ assignment: QuantizeAssignment) throws(CompressionError) -> Tensor {
    let (layer, step) = (assignment.layer, assignment.step)
    let inputScale = parameter(layer.activation).values.scale
    let bias = LayerBias.form(of: layer, in: editor.graph)
    let weight = try assignment.codedWeight(
      factor: layer.alpha, minimumScales: Self.minimumScales(for: bias, inputScale))
    return try Compression.tensors { () throws(TensorError) in
      let value = try writer.dequantized(layer, weight, &editor)
      editor.setInput(of: layer.node, at: layer.input, to: value)
      try setBias(layer, bias, weight, inputScale, isCorrected: step.biasCorrection)
      if case .gemm = layer.kind { foldGemmFactors(layer, bias) }
      return try weight.decoded(layer.weightAxes).scaled(by: 1 / layer.alpha)
    }
  }

  /// Puts Q and DQ around all tensors; call once, after every layer.
  mutating func connectActivations() {
    for value in tensors.values { connect(value) }
  }

  consuming func apply(to model: inout Model) throws(CompressionError) { try editor.apply(to: &model) }

  // MARK: Weights and biases

  /// The least weight scales with which every bias fits into half of int32's range.
  private static func minimumScales(for bias: LayerBias.Form, _ inputScale: Float) -> [Float]? {
    guard case .vector(let values) = bias else { return nil }
    return values.map { abs($0) / (inputScale * Float(1 << 30)) }
  }

  private mutating func setBias(
    _ layer: WeightLayer, _ form: LayerBias.Form, _ weight: CodedWeight, _ inputScale: Float,
    isCorrected: Bool
  ) throws(TensorError) {
    let bias: [Float]
    switch form {
    case .vector(let values): bias = values
    // What a correction will fill, in the form that integer kernels take.
    case .none where isCorrected && (layer.isConvolution || layer.op == "Gemm"):
      bias = [Float](repeating: 0, count: layer.outputChannels)
    case .none, .other: return
    }
    let scales = weight.scales.map { $0.scale * inputScale }
    let codes = bias.enumerated().map { channel, value in
      let code = (Double(value) / Double(scales[scales.count == 1 ? 0 : channel])).rounded(.toNearestOrEven)
      return Int32(min(max(code, Double(Int32.min)), Double(Int32.max)))
    }
    let shape: Shape = scales.count == 1 ? .scalar : [scales.count]
    let constant = editor.addConstant("\(layer.name).bias_q", try Tensor(shape: [codes.count], codes))
    let scale = editor.addConstant("\(layer.name).bias_scale", try Tensor(shape: shape, scales))
    let output = editor.addValue("\(layer.name).bias_dq", type: .float32)
    editor.insert(
      Node(
        name: "\(layer.name)/bias_dequantize", op: "DequantizeLinear", inputs: [constant, scale],
        outputs: [output], attributes: scales.count == 1 ? [:] : ["axis": .int(0)]), before: layer.node)
    editor.setInput(of: layer.node, at: 2, to: output)
  }

  /// Alpha is in the weight now; beta is in the bias unless that was left as it is.
  private mutating func foldGemmFactors(_ layer: WeightLayer, _ bias: LayerBias.Form) {
    editor.change(node: layer.node) { node in
      node.attributes["alpha"] = nil
      if case .other = bias {} else { node.attributes["beta"] = nil }
    }
  }

  // MARK: Activations

  private func parameter(_ value: ValueID) -> Parameters {
    guard let known = parameters[tensors.source(of: value)] else {
      preconditionFailure("\(editor.graph[value].name) is not among the quantized tensors")
    }
    return known
  }

  private mutating func connect(_ value: ValueID) {
    let readers = (index.uses[value] ?? []).filter { reads(value, $0) }
    let producer = index.producers[value]
    let name = editor.graph[value].name
    var float = value
    // A convolution whose result leaves the graph is quantized too: its float result gets a name of its own
    // and the graph's output is what comes out of DequantizeLinear.
    let leavesGraph = tensors.convolutionOutputs.contains(value) && index.isGraphOutput(value)
    if leavesGraph, let producer, let position = editor.nodes[producer].outputs.firstIndex(of: value) {
      let renamed = editor.addValue("\(name).float", type: .float32)
      editor.change(node: producer) { $0.outputs[position] = renamed }
      float = renamed
    } else if readers.isEmpty {
      return
    }
    let parameter = parameter(value)
    let codes = editor.addValue("\(name).q", type: parameter.values.type.element)
    editor.insert(
      Node(
        name: "\(name)/quantize", op: "QuantizeLinear",
        inputs: [float, parameter.scale, parameter.zeroPoint],
        outputs: [codes]), after: producer)
    if float != value {
      editor.insert(dequantize(name, codes, parameter, output: value), after: producer)
    }
    for use in readers {
      let output = editor.addValue("\(name).dq", type: .float32)
      editor.insert(dequantize(name, codes, parameter, output: output), before: use.node)
      editor.setInput(of: use.node, at: use.position, to: output)
    }
  }

  private func dequantize(
    _ name: String, _ codes: ValueID, _ parameter: Parameters, output: ValueID
  ) -> Node {
    Node(
      name: "\(name)/dequantize", op: "DequantizeLinear",
      inputs: [codes, parameter.scale, parameter.zeroPoint], outputs: [output])
  }

  /// Whether this reader takes the quantized form: the layers themselves, operators that pass it on or are between
  /// quantized tensors, and every reader of a convolution. Others keep the float value, which costs them nothing.
  private func reads(_ value: ValueID, _ use: GraphIndex.Use) -> Bool {
    if use.position == 0 && layerNodes.contains(use.node) { return true }
    if tensors.convolutionOutputs.contains(value) { return true }
    if tensors.integerNodes.contains(use.node) { return true }
    let node = editor.nodes[use.node]
    if use.position == 0 && tensors.passesOn(value, node) { return true }
    // Between quantized tensors: an addition or average that other runtimes compute in integers as well.
    return node.outputs.count == 1 && tensors.contains(node.outputs[0])
      && tensors.convolutionOutputs.contains(tensors.source(of: value))
  }
}
