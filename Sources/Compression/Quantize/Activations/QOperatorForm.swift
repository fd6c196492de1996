import GraphIR
import Tensors

/// Joins layers in the QDQ form with the quantization around them:
///
///     x_q ─ DequantizeLinear ─ Conv ─ (Relu) ─ QuantizeLinear ─ y_q
///     x_q ─ QLinearConv ─ y_q
///
/// MatMul becomes QLinearMatMul. Gemm becomes com.microsoft.QGemm, which onnxruntime's quantizer writes too: ONNX has no
/// operator for a product with a bias.
struct QOperatorForm {
  private enum Outcome {
    case joined(OperatorName)
    case kept(reason: String)
  }

  /// What a QuantizeLinear or DequantizeLinear reads.
  private struct Quantized {
    var codes, scale, zeroPoint: ValueID

    init?(_ node: Node?, _ op: OperatorName) {
      guard let node, node.op == op, node.inputs.count == 3 else { return nil }
      (codes, scale, zeroPoint) = (node.inputs[0], node.inputs[1], node.inputs[2])
    }
  }

  /// Where a layer's result becomes integers.
  private struct Result {
    var quantize: Int
    /// The Relu or Clip before it.
    var activation: Int?
    var parameters: Quantized
    var codes: ValueID
  }

  private static let domain = "com.microsoft"
  private static let gemm = OperatorName(domain: domain, type: "QGemm")

  private var editor: GraphEditor
  private let index: GraphIndex
  private let values: [String: ValueID]

  private init(_ graph: Graph) {
    editor = GraphEditor(graph, "QOperator form")
    index = GraphIndex(graph)
    values = graph.computedValues
  }

  /// Layers without such a form, and those that were not quantized, stay as they are.
  /// - Parameter graph: the one that the layers of `assignments` are of.
  static func apply(
    _ assignments: [QuantizeAssignment], _ graph: Graph, _ model: inout Model, _ ledger: inout LayerLedger
  ) throws(CompressionError) {
    if assignments.isEmpty { return }
    var form = QOperatorForm(model.graph)
    var needsDomain = false
    for assignment in assignments {
      let layer = assignment.layer
      switch form.join(graph[layer.output].name) {
      case .joined(let op):
        ledger.add(method: "\(op)", to: layer, graph)
        if op == gemm { needsDomain = true }
      case .kept(let reason): ledger.add(method: "stays QDQ: \(reason)", to: layer, graph)
      case nil: break
      }
    }
    try form.editor.apply(to: &model)
    if needsDomain && model.opsets[domain] == nil { model.opsets[domain] = 1 }
  }

  /// - Returns: nil for a layer that is not quantized.
  private mutating func join(_ output: String) -> Outcome? {
    guard let position = layerNode(output) else { return nil }
    let node = editor.nodes[position]
    guard let x = Quantized(writer(node.inputs[0]), "DequantizeLinear"),
      let weight = Quantized(writer(node.inputs[1]), "DequantizeLinear")
    else { return nil }
    var bias = ValueID.none
    if node.inputs.count > 2, !node.inputs[2].isNone {
      guard let codes = integerBias(node.inputs[2]) else {
        return .kept(reason: "its bias is no constant vector")
      }
      bias = codes
    }
    let result = result(of: node)
    let operands = [x.codes, x.scale, x.zeroPoint, weight.codes, weight.scale, weight.zeroPoint]
    var joined = Node(name: node.name, op: "QLinearConv", inputs: operands, outputs: [])
    if node.op == "Gemm" {
      joined.op = Self.gemm
      joined.attributes = node.attributes
      if !bias.isNone || result != nil { joined.inputs.append(bias) }
    } else if result == nil {
      return .kept(reason: "its result is not quantized, or read before it is")
    } else if node.op == "MatMul" {
      joined.op = "QLinearMatMul"
    } else {
      joined.attributes = node.attributes
    }
    if let result { joined.inputs += [result.parameters.scale, result.parameters.zeroPoint] }
    if joined.op == "QLinearConv" && !bias.isNone { joined.inputs.append(bias) }
    joined.outputs = [result?.codes ?? node.outputs[0]]
    if let result {
      editor.replace(node: position, with: [])
      if let activation = result.activation { editor.replace(node: activation, with: []) }
      editor.replace(node: result.quantize, with: [joined])
    } else {
      editor.replace(node: position, with: [joined])
    }
    return .joined(joined.op)
  }

  private func writer(_ value: ValueID) -> Node? { index.producers[value].map { editor.nodes[$0] } }

  /// The node that computes the layer's float output. The output itself is what comes out of DequantizeLinear where it
  /// leaves the graph.
  private func layerNode(_ output: String) -> Int? {
    guard let value = values[output], let position = index.producers[value] else { return nil }
    guard let dequantized = Quantized(editor.nodes[position], "DequantizeLinear") else { return position }
    guard let quantized = Quantized(writer(dequantized.codes), "QuantizeLinear") else { return nil }
    return index.producers[quantized.codes]
  }

  /// The int32 codes of a bias.
  private func integerBias(_ value: ValueID) -> ValueID? {
    guard let node = writer(value), node.op == "DequantizeLinear",
      editor.graph.constant(node.inputs[0])?.type == .int32
    else { return nil }
    return node.inputs[0]
  }

  /// Nil unless QuantizeLinear alone reads the result, behind nothing but a Relu or Clip that its range implies.
  private func result(of node: Node) -> Result? {
    guard var use = index.onlyUse(of: node.outputs[0]) else { return nil }
    var activation: Int?
    if editor.nodes[use.node].op == "Relu" || editor.nodes[use.node].op == "Clip" {
      activation = use.node
      guard use.position == 0, let next = index.onlyUse(of: editor.nodes[use.node].outputs[0]) else {
        return nil
      }
      use = next
    }
    let quantize = editor.nodes[use.node]
    guard use.position == 0, let parameters = Quantized(quantize, "QuantizeLinear") else { return nil }
    if let activation, !isImplied(editor.nodes[activation], by: parameters) { return nil }
    return Result(
      quantize: use.node, activation: activation, parameters: parameters, codes: quantize.outputs[0])
  }

  /// Whether the codes' own limits cut off all that `activation` does.
  private func isImplied(_ activation: Node, by parameters: Quantized) -> Bool {
    guard let scale = editor.graph.constant(parameters.scale)?.array(of: Float.self).first,
      let point = editor.graph.constant(parameters.zeroPoint), let zeroPoint = point.integerCodes?.first
    else { return false }
    let codes: ClosedRange<Int32> = point.type == .int8 ? -128...127 : 0...255
    func code(_ bound: Float) -> Int32 {
      (bound / scale).roundedCode(in: codes.lowerBound - zeroPoint...codes.upperBound - zeroPoint) + zeroPoint
    }
    if activation.op == "Relu" { return code(0) == codes.lowerBound }
    let bounds = (1...2).map { position -> Float? in
      guard position < activation.inputs.count, !activation.inputs[position].isNone else {
        return position == 1 ? -.infinity : .infinity
      }
      return editor.graph.constant(activation.inputs[position])?.array(of: Float.self).first
    }
    guard let low = bounds[0], let high = bounds[1] else { return false }
    return code(low) == codes.lowerBound && code(high) == codes.upperBound
  }
}
