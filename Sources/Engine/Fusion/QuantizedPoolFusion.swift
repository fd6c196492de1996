import GraphIR
import Tensors

extension Fusion {
  private static let averages: [OperatorName: OperatorName] = [
    FusedOperator.averagePoolNHWC: FusedOperator.quantizedAveragePoolNHWC,
    FusedOperator.globalAveragePoolNHWC: FusedOperator.quantizedGlobalAveragePoolNHWC,
  ]

  /// DequantizeLinear, an average of images whose channels lie last, QuantizeLinear: the average of the integers, which
  /// rounds once where the float32 form rounds each step.
  @discardableResult
  static func joinQuantizedPools(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join quantized pools", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let result = QuantizedOperand(quantizedBy: index, node, view),
        let pool = view.soleWriter(
          node.inputs[0], FusedOperator.averagePoolNHWC, FusedOperator.globalAveragePoolNHWC),
        let op = averages[pool.node.op],
        let x = QuantizedOperand(dequantized: pool.node.inputs[0], view), x.element == result.element
      else { continue }
      patch.replace(
        index,
        with: Node(
          name: pool.node.name, op: op, inputs: [x.id] + x.inputs + result.inputs, outputs: node.outputs,
          attributes: pool.node.attributes))
      patch.remove(pool.index)
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { try removeUnreadDequantization(&graph) }
    return changes
  }
}
