import GraphIR
import Tensors

extension Fusion {
  /// Where the bias of a product is among its inputs.
  private static let biasInputs: [OperatorName: Int] = [
    "MatMul": 2, FusedOperator.matMul: 2, FusedOperator.dynamicMatMul: 4, FusedOperator.quantizedMatMul: 6,
    "com.microsoft.MatMulNBits": 5, FusedOperator.blockMatMul: 5,
  ]

  /// A product of matrices, then Add of a constant for each column: one node.
  static func joinBiases(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join biases", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "Add" {
      guard let (product, biasInput, bias) = biasedProduct(node, view) else { continue }
      var fused = product.node
      if fused.op == "MatMul" { fused.op = FusedOperator.matMul }
      if fused.op == "com.microsoft.MatMulNBits" { fused.op = FusedOperator.blockMatMul }
      while fused.inputs.count <= biasInput { fused.inputs.append(.none) }
      fused.inputs[biasInput] = patch.addConstant(graph[node.outputs[0]].name + "_bias", bias)
      fused.outputs = node.outputs
      patch.replace(index, with: fused)
      patch.remove(product.index)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private static func biasedProduct(
    _ node: Node, _ view: FusionView
  ) -> (product: (index: Int, node: Node), biasInput: Int, bias: Tensor)? {
    for side in 0...1 {
      guard
        let product = view.soleWriter(
          node.inputs[side], "MatMul", FusedOperator.matMul, FusedOperator.dynamicMatMul,
          FusedOperator.quantizedMatMul, "com.microsoft.MatMulNBits", FusedOperator.blockMatMul),
        let biasInput = biasInputs[product.node.op], !product.node.hasInput(biasInput),
        view.element(product.node.outputs[0]) == .float32,
        let rank = view.type(product.node.outputs[0])?.dimensions?.count,
        let columns = view.type(product.node.outputs[0])?.dimensions?.last?.extent,
        let bias = view.constant(node.inputs[1 - side]), bias.type == .float32, bias.shape.rank <= rank,
        bias.shape.dimensions.last == columns, bias.elementCount == columns,
        let flat = try? bias.reshaped(to: [columns])
      else { continue }
      // A vector has no columns: its "bias" would be added to the only element of each row.
      if rank < 2 { continue }
      return (product, biasInput, flat)
    }
    return nil
  }
}
