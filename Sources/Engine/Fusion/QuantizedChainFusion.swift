import GraphIR
import Tensors

extension Fusion {
  /// What stands between DequantizeLinear and QuantizeLinear stays in integers: sums, functions of one tensor, and what
  /// only moves elements.
  static func joinQuantizedChains(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
    var changes = try joinQuantizedSums(&graph)
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

  private static func lookup(
    _ x: ValueID, _ table: Tensor, _ node: Node, _ view: FusionView, _ patch: inout GraphPatch
  ) -> Node {
    let constant = patch.addConstant(view.graph[node.outputs[0]].name + "_table", table)
    return Node(name: node.name, op: FusedOperator.lookup, inputs: [x, constant], outputs: node.outputs)
  }

  /// Functions of one element.
  private static let functions: Set<OperatorName> = [
    "Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
  ]
  private static let arithmetic: Set<OperatorName> = ["Add", "Sub", "Mul", "Div", "Pow"]

  /// DequantizeLinear, functions of one element, QuantizeLinear: a table that the engine itself has computed.
  private static func joinQuantizedFunctions(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join quantized functions", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let result = QuantizedOperand(quantizedBy: index, node, view),
        let (source, chain) = functionChain(result, view), source.element == result.element,
        let table = try table(from: source, through: chain.map(\.node), to: result, view, folder)
      else { continue }
      patch.replace(index, with: lookup(source.id, table, node, view, &patch))
      for link in chain { patch.remove(link.index) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  /// The functions between `result` and a dequantized tensor, in the order in which they are computed.
  private static func functionChain(_ result: QuantizedOperand, _ view: FusionView) -> (
    source: QuantizedOperand, chain: [(index: Int, node: Node)]
  )? {
    var value = result.node.inputs[0]
    var chain: [(index: Int, node: Node)] = []
    while chain.count < 16 {
      if let source = QuantizedOperand(dequantized: value, view) {
        // A constant becomes a float32 constant instead.
        return view.constant(source.id) == nil ? (source, chain.reversed()) : nil
      }
      guard let writer = view.uses.writer(of: value),
        let link = view.soleWriter(value, view.graph.nodes[writer].op), link.node.outputs.count == 1,
        let operand = variable(link.node, view)
      else { return nil }
      chain.append(link)
      value = link.node.inputs[operand]
    }
    return nil
  }

  /// The only input of `node` that is not a constant number; nil when it is not a function of one element.
  private static func variable(_ node: Node, _ view: FusionView) -> Int? {
    if functions.contains(node.op) {
      return node.inputs.dropFirst().allSatisfy { $0.isNone || view.constant($0) != nil } ? 0 : nil
    }
    guard arithmetic.contains(node.op) else { return nil }
    for side in 0...1 where isNumber(node.inputs[1 - side], view) && !isNumber(node.inputs[side], view) {
      // A number of higher rank would give the result its rank.
      guard let rank = view.type(node.inputs[side])?.dimensions?.count,
        let other = view.type(node.inputs[1 - side])?.dimensions?.count, other <= rank
      else { return nil }
      return side
    }
    return nil
  }

  private static func isNumber(_ id: ValueID, _ view: FusionView) -> Bool {
    if view.constant(id) != nil { return view.scalar(id) != nil }
    guard let source = QuantizedOperand(dequantized: id, view) else { return false }
    return view.constant(source.id)?.elementCount == 1
  }

  /// What each of the 256 bytes becomes; nil when the engine cannot compute it.
  private static func table(
    from source: QuantizedOperand, through chain: [Node], to result: QuantizedOperand, _ view: FusionView,
    _ folder: ConstantFolder
  ) throws -> Tensor? {
    var values = try Tensor(type: source.element, shape: [256])
    values.withMutableBytes { bytes in for index in 0..<256 { bytes[index] = UInt8(index) } }
    // The first and the last take their first input, whatever it is; the others what the one before them gives.
    let nodes = [source.node] + chain + [result.node]
    for (place, node) in nodes.enumerated() {
      let replaced = place == 0 || place == nodes.count - 1 ? node.inputs[0] : nodes[place - 1].outputs[0]
      var inputs: [Tensor?] = []
      for id in node.inputs {
        if id == replaced {
          inputs.append(values)
        } else if id.isNone {
          inputs.append(nil)
        } else if let constant = view.constant(id) {
          inputs.append(constant)
        } else if let (_, other) = view.writer(id, "DequantizeLinear"),
          let number = try folder.evaluate(other, other.inputs.map { $0.isNone ? nil : view.constant($0) })
        {
          inputs.append(number[0])
        } else {
          return nil
        }
      }
      guard let next = try folder.evaluate(node, inputs)?.first else { return nil }
      guard next.elementCount == 256 else { return nil }
      values = try next.reshaped(to: [256])
    }
    return values.type == result.element ? values : nil
  }
}
