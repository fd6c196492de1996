import GraphIR
import Tensors

extension Fusion {
  /// Functions of one element.
  private static let functions: Set<OperatorName> = [
    "Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
  ]
  private static let arithmetic: Set<OperatorName> = ["Add", "Sub", "Mul", "Div", "Pow"]

  /// What depends on one 8-bit tensor only becomes a table that the engine itself has computed: functions between
  /// DequantizeLinear and QuantizeLinear, tables of tables, and arithmetic of two tables of the same tensor. So a Gelu
  /// whose every step was quantized is one table.
  static func joinQuantizedFunctions(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
    var changes = try joinFunctionChains(&graph, folder)
    while true {
      var found = try joinTablesOfTables(&graph)
      found += try joinArithmeticOfTables(&graph, folder)
      if found == 0 { return changes }
      changes += found
    }
  }

  private static func joinFunctionChains(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
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

  /// The tensor that `id` is a function of, by way of its tables, and that function; at least `id` itself.
  private static func root(_ id: ValueID, _ view: FusionView) -> (source: ValueID, table: [UInt8]) {
    var (source, table) = (id, (0..<256).map { UInt8($0) })
    while let (_, node) = view.writer(source, FusedOperator.lookup),
      let own = view.constant(node.inputs[1])?.withBytes({ Array($0) }), own.count == 256
    {
      table = own.map { table[Int($0)] }
      source = node.inputs[0]
    }
    return (source, table)
  }

  private static func tensor(_ table: [UInt8], _ element: ElementType) throws -> Tensor {
    var tensor = try Tensor(type: element, shape: [256])
    tensor.withMutableBytes { $0.copyBytes(from: table) }
    return tensor
  }

  /// A table's table reads the tensor itself.
  private static func joinTablesOfTables(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join tables of tables", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == FusedOperator.lookup {
      let (source, table) = root(node.outputs[0], view)
      guard source != node.inputs[0], let element = view.constant(node.inputs[1])?.type else { continue }
      patch.replace(index, with: lookup(source, try tensor(table, element), node, view, &patch))
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { try removeUnreadDequantization(&graph) }
    return changes
  }

  /// DequantizeLinear of two functions of one tensor, arithmetic, QuantizeLinear.
  private static func joinArithmeticOfTables(_ graph: inout Graph, _ folder: ConstantFolder) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join arithmetic of tables", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let result = QuantizedOperand(quantizedBy: index, node, view),
        let writer = view.uses.writer(of: node.inputs[0]), arithmetic.contains(graph.nodes[writer].op),
        let (_, operation) = view.soleWriter(node.inputs[0], graph.nodes[writer].op),
        let a = QuantizedOperand(dequantized: operation.inputs[0], view),
        let b = QuantizedOperand(dequantized: operation.inputs[1], view),
        a.element == result.element, b.element == result.element
      else { continue }
      let (left, right) = (root(a.id, view), root(b.id, view))
      guard left.source == right.source, view.constant(left.source) == nil else { continue }
      let sides = try [(a, left.table), (b, right.table)].map { operand, table in
        try folder.evaluate(
          operand.node,
          [try tensor(table, operand.element)] + operand.inputs.map { $0.isNone ? nil : view.constant($0) })?
          .first
      }
      let points = result.inputs.map { $0.isNone ? nil : view.constant($0) }
      guard let x = sides[0], let y = sides[1], let z = try folder.evaluate(operation, [x, y])?.first,
        let table = try folder.evaluate(node, [z] + points)?.first, table.type == result.element,
        table.elementCount == 256
      else { continue }
      patch.replace(index, with: lookup(left.source, try table.reshaped(to: [256]), node, view, &patch))
      patch.remove(writer)
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { try removeUnreadDequantization(&graph) }
    return changes
  }

  /// What each of the 256 bytes becomes; nil when the engine cannot compute it.
  static func table(
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
