import GraphIR

/// Decides which activations carry QuantizeLinear and DequantizeLinear around the layers to quantize, and which
/// of them share their parameters.
///
/// * The input of every layer.
/// * The output of every convolution, behind the Relu or Clip that follows it: without it other runtimes leave
///   the convolution in float.
/// * The inputs of operators that only move values, when their output is quantized; both sides share parameters,
///   so that nothing is rounded twice.
struct QuantizedTensors {
  /// In the order found, which follows the graph.
  private(set) var values: [ValueID] = []
  private var members: Set<ValueID> = []
  /// For the output of an operator that only moves values: its input.
  private var sources: [ValueID: ValueID] = [:]
  /// Values that come out of a quantized convolution: all readers take the quantized form.
  private(set) var convolutionOutputs: Set<ValueID> = []

  /// The quantized output of each convolution, by its node.
  private var outputs: [Int: ValueID] = [:]

  /// Operators whose output holds only values of their input, by reading position 0.
  private static let moving: Set<OperatorName> = [
    "MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Expand", "Tile",
    "DepthToSpace", "SpaceToDepth",
  ]

  init(_ layers: [WeightLayer], _ graph: Graph, _ index: GraphIndex) {
    for layer in layers {
      insert(layer.activation)
      if layer.isConvolution {
        let output = Self.behindActivation(layer.output, graph, index)
        insert(output)
        outputs[layer.node] = output
        convolutionOutputs.insert(output)
      }
    }
    // The list grows while it is walked: chains of moving operators are followed back to their source.
    var position = 0
    while position < values.count {
      let value = values[position]
      position += 1
      guard let producer = index.producers[value] else { continue }
      let node = graph.nodes[producer]
      let outputs = node.outputs.filter { !$0.isNone }
      guard Self.moving.contains(node.op), outputs.count == 1, !node.inputs[0].isNone,
        graph.constant(node.inputs[0]) == nil
      else { continue }
      sources[value] = node.inputs[0]
      insert(node.inputs[0])
    }
  }

  func contains(_ value: ValueID) -> Bool { members.contains(value) }

  /// The value whose measured range holds for `value`.
  func source(of value: ValueID) -> ValueID {
    var current = value
    while let next = sources[current] { current = next }
    return current
  }

  /// The name of a tensor around `layer` that has no range; nil when all have one.
  func unusable(_ layer: WeightLayer, _ ranges: [ValueID: ValueRange], _ graph: Graph) -> String? {
    var needed = [layer.activation]
    if layer.isConvolution, let output = outputs[layer.node] { needed.append(output) }
    return needed.first { ranges[source(of: $0)] == nil }.map { graph[$0].name }
  }

  /// True when `node` reads `value` at input 0 and only moves it into a quantized output.
  func passesOn(_ value: ValueID, _ node: Node) -> Bool {
    guard let output = node.outputs.first, let source = sources[output] else { return false }
    return source == value
  }

  private mutating func insert(_ value: ValueID) {
    if members.insert(value).inserted { values.append(value) }
  }

  /// The output of the Relu or Clip that alone reads `value`, or `value` itself.
  private static func behindActivation(_ value: ValueID, _ graph: Graph, _ index: GraphIndex) -> ValueID {
    guard let use = index.onlyUse(of: value), use.position == 0 else { return value }
    let node = graph.nodes[use.node]
    return node.op == "Relu" || node.op == "Clip" ? node.outputs[0] : value
  }
}
