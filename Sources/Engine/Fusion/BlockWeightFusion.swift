import GraphIR
import Tensors

extension Fusion {
  /// MatMul or Gemm of float32 rows and a dequantized constant matrix of 2, 4 or 8 bits: one node that multiplies by
  /// the codes, which are not dequantized in memory.
  static func joinBlockWeights(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join weights in blocks", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "MatMul" || node.op == "Gemm" {
      guard let match = dequantizedWeight(node, view), let bias = columnBias(node, view),
        let weight = try BlockCodes(match.source)
      else { continue }
      let name = graph[match.node.outputs[0]].name
      var inputs = [
        node.inputs[0], patch.addConstant(name + "_codes", weight.codes),
        patch.addConstant(name + "_scales", weight.scales),
        weight.zeroPoints.map { patch.addConstant(name + "_zero_points", $0) } ?? .none, .none,
      ]
      if case .values(let values) = bias { inputs.append(patch.addConstant(name + "_bias", values)) }
      patch.replace(
        index,
        with: Node(
          name: node.name, op: FusedOperator.blockMatMul, inputs: inputs, outputs: node.outputs,
          attributes: [
            "K": .int(weight.depth), "N": .int(weight.columns), "bits": .int(weight.bits),
            "block_size": .int(weight.block),
          ]))
      for inner in match.nodes { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private struct DequantizedWeight {
    let node: Node
    let source: BlockCodes.Source
    /// DequantizeLinear, and a Transpose behind it.
    let nodes: [Int]
  }

  /// The constant matrix behind input 1, when nobody else reads it as float32.
  private static func dequantizedWeight(_ node: Node, _ view: FusionView) -> DequantizedWeight? {
    guard view.element(node.inputs[0]) == .float32, view.type(node.inputs[0])?.dimensions?.count ?? 0 >= 2
    else { return nil }
    var isTransposed = node.op == "Gemm" && node.attributes.int("transB") ?? 0 != 0
    var id = node.inputs[1]
    var nodes: [Int] = []
    if let transpose = view.soleWriter(id, "Transpose"),
      transpose.node.attributes.ints("perm") ?? [1, 0] == [1, 0]
    {
      isTransposed.toggle()
      id = transpose.node.inputs[0]
      nodes.append(transpose.index)
    }
    guard let dequantize = view.soleWriter(id, "DequantizeLinear"),
      view.element(id) == .float32,
      let elements = view.constant(dequantize.node.inputs[0]),
      let scales = view.constant(dequantize.node.inputs[1])
    else { return nil }
    var zeroPoints: Tensor?
    if dequantize.node.hasInput(2) {
      guard let values = view.constant(dequantize.node.inputs[2]), values.type == elements.type else {
        return nil
      }
      zeroPoints = values
    }
    return DequantizedWeight(
      node: dequantize.node,
      source: BlockCodes.Source(
        elements: elements, scales: scales, zeroPoints: zeroPoints,
        axis: dequantize.node.attributes.int("axis") ?? 1,
        blockSize: dequantize.node.attributes.int("block_size") ?? 0, isTransposed: isTransposed),
      nodes: nodes + [dequantize.index])
  }

  private enum ColumnBias {
    case none
    case values(Tensor)
  }

  /// What is added to each column; nil when the product does more than that.
  private static func columnBias(_ node: Node, _ view: FusionView) -> ColumnBias? {
    if node.op == "MatMul" { return ColumnBias.none }
    guard node.attributes.int("transA") ?? 0 == 0, node.attributes.float("alpha") ?? 1 == 1 else {
      return nil
    }
    if !node.hasInput(2) || node.attributes.float("beta") ?? 1 == 0 { return ColumnBias.none }
    guard node.attributes.float("beta") ?? 1 == 1, let values = view.constant(node.inputs[2]),
      values.type == .float32, let columns = view.type(node.outputs[0])?.dimensions?.last?.extent,
      values.elementCount == columns, values.shape.dimensions.last == columns,
      let flat = try? values.reshaped(to: [columns])
    else { return nil }
    return .values(flat)
  }
}
