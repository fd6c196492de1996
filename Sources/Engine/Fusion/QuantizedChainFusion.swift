import GraphIR
import Tensors

extension Fusion {
  /// What stands between DequantizeLinear and QuantizeLinear stays in integers: sums, functions of one tensor, and what
  /// only moves elements.
  static func joinQuantizedChains(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
    var changes = try joinQuantizedFunctions(&graph, folder)
    changes += try joinQuantizedSums(&graph)
    changes += try joinQuantizedMovements(&graph, folder)
    changes += try joinQuantizedFunctions(&graph, folder)
    if changes > 0 { try removeUnreadDequantization(&graph) }
    return changes
  }

  /// DequantizeLinear twice, Add or Sum, maybe a clamp, QuantizeLinear.
  private static func joinQuantizedSums(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join quantized sums", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let result = QuantizedOperand(quantizedBy: index, node, view),
        let (fused, removed) = try quantizedSum(result, view)
      else { continue }
      patch.replace(index, with: fused)
      for other in removed { patch.remove(other) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private static func quantizedSum(_ result: QuantizedOperand, _ view: FusionView) throws -> (
    node: Node, removed: [Int]
  )? {
    var value = result.node.inputs[0]
    var removed: [Int] = []
    var attributes = Attributes()
    if let clamp = view.soleWriter(value, "Relu", "Clip") {
      guard let activation = try Activation(node: clamp.node, constant: view.constant) else { return nil }
      attributes[Activation.AttributeName.op] = .string(clamp.node.op.type)
      attributes[Activation.AttributeName.alpha] = .float(activation.alpha)
      attributes[Activation.AttributeName.beta] = .float(activation.beta)
      removed.append(clamp.index)
      value = clamp.node.inputs[0]
    }
    guard let sum = view.soleWriter(value, "Add", "Sum"), sum.node.inputs.count == 2,
      let a = QuantizedOperand(dequantized: sum.node.inputs[0], view),
      let b = QuantizedOperand(dequantized: sum.node.inputs[1], view),
      a.element == b.element, a.element == result.element,
      let dimensions = view.type(a.id)?.dimensions, !dimensions.contains(.unknown),
      dimensions == view.type(b.id)?.dimensions
    else { return nil }
    let node = Node(
      name: sum.node.name, op: FusedOperator.quantizedAdd,
      inputs: [a.id] + a.inputs + [b.id] + b.inputs + result.inputs, outputs: result.node.outputs,
      attributes: attributes)
    return (node, removed + [sum.index])
  }

  /// Operators whose outputs are elements of their first input, or the greatest of them.
  private static let movements: Set<OperatorName> = [
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Slice", "Gather", "Expand",
    "Tile",
    "DepthToSpace", "SpaceToDepth", "MaxPool",
  ]

  /// DequantizeLinear, an operator that moves elements, QuantizeLinear: the integers are moved. Where scales differ, a
  /// table converts them.
  private static func joinQuantizedMovements(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join quantized movements", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let result = QuantizedOperand(quantizedBy: index, node, view),
        let writer = view.uses.writer(of: node.inputs[0]),
        let (_, moved) = view.soleWriter(node.inputs[0], graph.nodes[writer].op), moved.outputs.count == 1
      else { continue }
      let sources = moved.op == "Concat" ? moved.inputs.count : movements.contains(moved.op) ? 1 : 0
      let operands = moved.inputs.prefix(sources).compactMap { QuantizedOperand(dequantized: $0, view) }
      guard sources > 0, operands.count == sources, operands.allSatisfy({ $0.element == result.element })
      else { continue }
      var fused = moved
      if moved.op == "Concat" {
        let tables = try operands.map { operand in
          operand.agrees(with: result) ? nil : try table(from: operand, through: [], to: result, view, folder)
        }
        guard zip(operands, tables).allSatisfy({ $0.agrees(with: result) || $1 != nil }) else { continue }
        for (place, (operand, table)) in zip(operands, tables).enumerated() {
          fused.inputs[place] = requantized(operand, table, view, &patch, before: index)
        }
        fused.outputs = node.outputs
        patch.replace(index, with: fused)
      } else {
        fused.inputs[0] = operands[0].id
        if operands[0].agrees(with: result) {
          fused.outputs = node.outputs
          patch.replace(index, with: fused)
        } else {
          guard let table = try table(from: operands[0], through: [], to: result, view, folder) else {
            continue
          }
          let type = view.type(moved.outputs[0])?.dimensions.map { TensorType(result.element, $0) }
          let value = patch.addValue(
            Value(name: view.graph[moved.outputs[0]].name + "_8bit", type: type.map(ValueType.tensor)))
          fused.outputs = [value]
          patch.insert(fused, before: index)
          patch.replace(index, with: lookup(value, table, node, view, &patch))
        }
      }
      patch.remove(writer)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  /// `operand` by way of a table, if there is one.
  private static func requantized(
    _ operand: QuantizedOperand, _ table: Tensor?, _ view: FusionView, _ patch: inout GraphPatch,
    before index: Int
  ) -> ValueID {
    guard let table else { return operand.id }
    let type = view.type(operand.id)
    let value = patch.addValue(
      Value(name: view.graph[operand.id].name + "_requantized", type: type.map(ValueType.tensor)))
    let constant = patch.addConstant(view.graph[operand.id].name + "_table", table)
    patch.insert(
      Node(op: FusedOperator.lookup, inputs: [operand.id, constant], outputs: [value]), before: index)
    return value
  }

  static func lookup(
    _ x: ValueID, _ table: Tensor, _ node: Node, _ view: FusionView, _ patch: inout GraphPatch
  ) -> Node {
    let constant = patch.addConstant(view.graph[node.outputs[0]].name + "_table", table)
    return Node(name: node.name, op: FusedOperator.lookup, inputs: [x, constant], outputs: node.outputs)
  }
}
