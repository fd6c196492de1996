import GraphIR
import Tensors

extension Fusion {
  /// Gather of the rows of a table that DequantizeLinear gives: the rows of codes are gathered, and only they become
  /// floats. The table stays as small as it is in the file, and the results are the same to the bit.
  static func keepQuantizedTables(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("keep quantized tables", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated()
    where node.op == "Gather" && (node.attributes.int("axis") ?? 0) == 0 {
      guard let table = QuantizedTable(node.inputs[0], view) else { continue }
      let name = graph[node.outputs[0]].name
      let codes = patch.addValue(Value(name: name + "_codes", type: rows(of: node, table.codes.type, view)))
      var gather = node
      gather.inputs[0] = table.codesID
      gather.outputs = [codes]
      var dequantize = table.node
      dequantize.inputs[0] = codes
      dequantize.attributes["axis"] = nil
      dequantize.outputs = node.outputs
      patch.insert(gather, before: index)
      if table.hasScalePerRow {
        let numbers = patch.addValue(Value(name: name + "_steps", type: rows(of: node, .float32, view)))
        dequantize.inputs[1] = patch.addConstant(name + "_one", try Tensor(shape: [], [Float(1)]))
        if dequantize.inputs.count > 2 { dequantize.inputs.removeLast() }
        dequantize.outputs = [numbers]
        patch.insert(dequantize, before: index)
        let column = try table.scale.reshaped(to: [table.scale.elementCount, 1])
        var scales = gather
        scales.name += "/scale"
        scales.inputs[0] = patch.addConstant(name + "_scales", column)
        let scale = patch.addValue(Value(name: name + "_scale"))
        scales.outputs = [scale]
        patch.insert(scales, before: index)
        patch.replace(
          index, with: Node(name: node.name, op: "Mul", inputs: [numbers, scale], outputs: node.outputs))
      } else {
        patch.replace(index, with: dequantize)
      }
      patch.remove(table.index)
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { try TypePropagation.run(&graph) }
    return changes
  }

  /// Quantizers give every reader of a tensor a DequantizeLinear of its own: one does, so that what reads a tensor twice
  /// shows that it does.
  static func joinEqualDequantization(_ graph: inout Graph) throws -> Int {
    struct Key: Hashable {
      let inputs: [ValueID]
      let axis, block, type: Int?
    }
    let uses = GraphUses(graph)
    var patch = GraphPatch("join equal DequantizeLinear", for: graph)
    var firsts: [Key: ValueID] = [:]
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "DequantizeLinear" {
      let output = node.outputs[0]
      if uses.isOutput(output) || uses.constant(node.inputs[0], in: graph) != nil { continue }
      let key = Key(
        inputs: node.inputs, axis: node.attributes.int("axis"), block: node.attributes.int("block_size"),
        type: node.attributes.int("output_dtype"))
      if let first = firsts[key] {
        patch.replaceUses(of: output, with: first)
        patch.remove(index)
        changes += 1
      } else {
        firsts[key] = output
      }
    }
    try patch.apply(to: &graph)
    return changes
  }

  private static func rows(of node: Node, _ element: ElementType, _ view: FusionView) -> ValueType? {
    view.type(node.outputs[0])?.dimensions.map { .tensor(TensorType(element, $0)) }
  }
}

/// A constant matrix of bytes with one scale, or one for each row, behind a DequantizeLinear that has one reader.
private struct QuantizedTable {
  let index: Int
  let node: Node
  let codesID: ValueID
  let codes: Tensor
  let scale: Tensor
  let hasScalePerRow: Bool

  init?(_ id: ValueID, _ view: FusionView) {
    guard let (index, node) = view.soleWriter(id, "DequantizeLinear"),
      let codes = view.constant(node.inputs[0]), [ElementType].eightBit.contains(codes.type),
      codes.shape.rank == 2,
      let scale = view.constant(node.inputs[1]), scale.type == .float32,
      (node.attributes.int("block_size") ?? 0) == 0, view.element(id) == .float32
    else { return nil }
    let axis = node.attributes.int("axis") ?? 1
    hasScalePerRow = scale.shape.rank == 1 && (axis == 0 || axis == -2)
    if hasScalePerRow {
      guard scale.elementCount == codes.shape[0] else { return nil }
      if node.hasInput(2) {
        guard let points = view.constant(node.inputs[2]), points.withBytes({ $0.allSatisfy { $0 == 0 } })
        else {
          return nil
        }
      }
    } else if scale.elementCount != 1 || scale.shape.rank > 1 {
      return nil
    }
    self.index = index
    self.node = node
    codesID = node.inputs[0]
    self.codes = codes
    self.scale = scale
  }
}
