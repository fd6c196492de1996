import GraphIR
import Tensors

/// Where a graph holds the bias of a layer, whatever form the layer has by now: the third input of its node, in float32
/// or in int32 behind DequantizeLinear, or the constant of an Add that makes or reads its output.
struct BiasPlace {
  private enum Form {
    case missing(node: Int)
    case constant(node: Int, input: Int, Tensor)
    /// int32 codes as the first input of a DequantizeLinear.
    case codes(node: Int, Tensor, scales: [Float])
  }

  private let form: Form
  private let name: String
  /// Gemm's factor of the bias.
  private var factor: Float = 1

  /// - Parameters:
  ///   - channelsFromEnd: how many axes of the output follow that of the channels.
  /// - Returns: nil when the graph has no place for a bias, or shares it.
  init?(of output: ValueID, channels: Int, channelsFromEnd: Int, _ graph: Graph, _ index: GraphIndex) {
    guard let producer = Self.producer(of: output, graph, index) else { return nil }
    let node = graph.nodes[producer]
    name = node.label(in: graph)
    switch node.op {
    case "Gemm", "Conv", "ConvTranspose":
      factor = node.op == "Gemm" ? node.attributes.float("beta") ?? 1 : 1
      guard node.inputs.count > 2, !node.inputs[2].isNone else {
        form = .missing(node: producer)
        return
      }
      let bias = node.inputs[2]
      if let constant = graph.constant(bias), constant.type == .float32, factor.isNormal,
        Self.fits(constant, channels, fromEnd: node.op == "Gemm" ? 0 : nil)
      {
        form = .constant(node: producer, input: 2, constant)
      } else if let codes = Self.codes(bias, channels, graph, index) {
        form = codes
      } else {
        return nil
      }
    case "Add":
      guard let form = Self.addend(producer, channels, channelsFromEnd, graph) else { return nil }
      self.form = form
    default:
      guard let use = index.onlyUse(of: output), graph.nodes[use.node].op == "Add",
        let form = Self.addend(use.node, channels, channelsFromEnd, graph)
      else { return nil }
      self.form = form
    }
  }

  /// The node that computes a value, before what quantizes it.
  private static func producer(of value: ValueID, _ graph: Graph, _ index: GraphIndex) -> Int? {
    guard let producer = index.producers[value] else { return nil }
    guard graph.nodes[producer].op == "DequantizeLinear",
      let quantizer = index.producers[graph.nodes[producer].inputs[0]],
      graph.nodes[quantizer].op == "QuantizeLinear"
    else { return producer }
    return index.producers[graph.nodes[quantizer].inputs[0]]
  }

  private static func addend(_ node: Int, _ channels: Int, _ channelsFromEnd: Int, _ graph: Graph) -> Form? {
    for (input, value) in graph.nodes[node].inputs.enumerated() {
      guard let constant = graph.constant(value), constant.type == .float32,
        fits(constant, channels, fromEnd: channelsFromEnd)
      else { continue }
      return .constant(node: node, input: input, constant)
    }
    return nil
  }

  /// One number for each channel, on the axis of the channels: so many axes from the end, or the only one.
  private static func fits(_ constant: Tensor, _ channels: Int, fromEnd: Int?) -> Bool {
    guard constant.elementCount == channels else { return false }
    guard let fromEnd else { return constant.shape.rank == 1 }
    let axis = constant.shape.rank - 1 - fromEnd
    return axis >= 0 && constant.shape[axis] == channels
  }

  private static func codes(_ bias: ValueID, _ channels: Int, _ graph: Graph, _ index: GraphIndex) -> Form? {
    guard let producer = index.producers[bias], index.onlyUse(of: bias) != nil,
      graph.nodes[producer].op == "DequantizeLinear", graph.nodes[producer].inputs.count == 2,
      let codes = graph.constant(graph.nodes[producer].inputs[0]), codes.type == .int32,
      codes.elementCount == channels,
      let scales = graph.constant(graph.nodes[producer].inputs[1]), scales.type == .float32,
      scales.elementCount == 1 || scales.elementCount == channels
    else { return nil }
    return .codes(node: producer, codes, scales: scales.array(of: Float.self))
  }

  /// Adds one number to each channel.
  func add(_ shift: [Float], _ editor: inout GraphEditor) throws(TensorError) {
    switch form {
    case .missing(let node):
      let bias = editor.addConstant("\(name).bias_shifted", try Tensor(shape: [shift.count], shift))
      editor.setInput(of: node, at: 2, to: bias)
      if factor != 1 { editor.change(node: node) { $0.attributes["beta"] = nil } }
    case .constant(let node, let input, let constant):
      let values = zip(constant.array(of: Float.self), shift).map { $0 + $1 / factor }
      let bias = editor.addConstant("\(name).bias_shifted", try Tensor(shape: constant.shape, values))
      editor.setInput(of: node, at: input, to: bias)
    case .codes(let node, let constant, let scales):
      let codes = constant.array(of: Int32.self).enumerated().map { channel, code in
        let step = Double(shift[channel]) / Double(scales[scales.count == 1 ? 0 : channel])
        let moved = (Double(code) + step).rounded(.toNearestOrEven)
        return Int32(min(max(moved, Double(Int32.min)), Double(Int32.max)))
      }
      let bias = editor.addConstant("\(name).bias_q_shifted", try Tensor(shape: constant.shape, codes))
      editor.setInput(of: node, at: 0, to: bias)
    }
  }
}
