import GraphIR
import Tensors

extension Fusion {
  /// DynamicQuantizeLinear, MatMulInteger, Cast, and Mul by the product of both scales: one node that takes
  /// float rows, quantizes them, and gives float rows.
  static func joinDynamicQuantization(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join dynamic quantization", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "Mul" {
      guard let match = dynamicProduct(node, view) else { continue }
      patch.replace(
        index,
        with: Node(
          name: match.name, op: FusedOperator.dynamicMatMul,
          inputs: [match.x, match.weight, match.weightScale, match.weightZeroPoint], outputs: node.outputs))
      for inner in match.nodes { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { try removeUnread("DynamicQuantizeLinear", &graph) }
    return changes
  }

  private struct DynamicProduct {
    let name: String
    let x: ValueID
    let weight: ValueID
    let weightScale: ValueID
    let weightZeroPoint: ValueID
    let nodes: [Int]
  }

  private static func dynamicProduct(_ node: Node, _ view: FusionView) -> DynamicProduct? {
    for side in 0...1 {
      guard let cast = view.soleWriter(node.inputs[side], "Cast"),
        view.element(cast.node.outputs[0]) == .float32,
        let product = view.soleWriter(cast.node.inputs[0], "MatMulInteger"), product.node.hasInput(2),
        let quantize = view.writer(product.node.inputs[0], "DynamicQuantizeLinear"),
        product.node.inputs[0] == quantize.node.outputs[0],
        product.node.inputs[2] == quantize.node.outputs[2],
        let weight = view.constant(product.node.inputs[1]), weight.shape.rank == 2,
        let scales = view.soleWriter(node.inputs[1 - side], "Mul"),
        let scale = other(scales.node, than: quantize.node.outputs[1]),
        let weightScale = view.constant(scale),
        weightScale.type == .float32, fits(weightScale, columns: weight.shape[1])
      else { continue }
      let zeroPoint = product.node.hasInput(3) ? product.node.inputs[3] : .none
      if !zeroPoint.isNone {
        guard let values = view.constant(zeroPoint), fits(values, columns: weight.shape[1]) else { continue }
      }
      return DynamicProduct(
        name: product.node.name, x: quantize.node.inputs[0], weight: product.node.inputs[1],
        weightScale: scale,
        weightZeroPoint: zeroPoint, nodes: [cast.index, product.index, scales.index])
    }
    return nil
  }

  /// One value for all columns, or one for each.
  private static func fits(_ tensor: Tensor, columns: Int) -> Bool {
    tensor.elementCount == 1 || (tensor.elementCount == columns && tensor.shape.dimensions.last == columns)
  }

  private static func other(_ node: Node, than id: ValueID) -> ValueID? {
    node.inputs[0] == id ? node.inputs[1] : node.inputs[1] == id ? node.inputs[0] : nil
  }

  private static func removeUnread(_ op: OperatorName, _ graph: inout Graph) throws {
    let uses = GraphUses(graph)
    var patch = GraphPatch("remove unread \(op)", for: graph)
    for (index, node) in graph.nodes.enumerated()
    where node.op == op && node.outputs.allSatisfy({ uses.readCount(of: $0) == 0 }) {
      patch.remove(index)
    }
    try patch.apply(to: &graph)
  }
}
