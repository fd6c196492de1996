import GraphIR
import Tensors

extension LayerWriter {
  /// Lets a Gather or Slice read rows of 8-bit codes and dequantizes those alone, so that the table stays small in memory
  /// too:
  ///
  ///     codes ─ Gather | Slice ─ Cast ─ (Sub(zero points of the rows)) ─ Mul(scales of the rows)
  ///
  /// - Returns: false, with nothing changed, for codes of other widths, in blocks, or of a codebook.
  mutating func readCodes(
    _ layer: WeightLayer, _ coded: CodedWeight, _ editor: inout GraphEditor
  ) throws(TensorError) -> Bool {
    guard coded.storage.isInteger, coded.storage.bitWidth == 8, !coded.hasLevels else { return false }
    if case .blocks = coded.groups { return false }
    let isPerRow = coded.scales.count > 1
    let stored = try store(layer, coded, scaleShape: isPerRow ? layer.rowShape : nil, &editor)
    let node = editor.nodes[layer.node]
    var nodes: [Node] = []
    /// Rows of a table.
    func rows(_ table: ValueID, _ part: String, _ type: ElementType, _ editor: inout GraphEditor) -> ValueID {
      let output = editor.addValue("\(layer.title).\(part)", type: type)
      nodes.append(
        Node(
          name: "\(layer.name)/\(part)", op: node.op, inputs: [table] + node.inputs.dropFirst(),
          outputs: [output], attributes: node.attributes))
      return output
    }
    let codes = rows(stored.codes, "codes", coded.storage, &editor)
    if !isPerRow {
      nodes.append(
        Node(
          name: layer.name, op: "DequantizeLinear",
          inputs: [codes, stored.scale] + (stored.zeroPoint.isNone ? [] : [stored.zeroPoint]),
          outputs: node.outputs))
      editor.replace(node: layer.node, with: nodes)
      return true
    }
    func cast(_ value: ValueID, _ part: String, _ editor: inout GraphEditor) -> ValueID {
      let output = editor.addValue("\(layer.title).\(part)", type: .float32)
      nodes.append(
        Node(
          name: "\(layer.name)/\(part)", op: "Cast", inputs: [value], outputs: [output],
          attributes: ["to": .int(1)]))
      return output
    }
    var numbers = cast(codes, "float", &editor)
    if coded.hasZeroPoints {
      let zeroPoint = cast(
        rows(stored.zeroPoint, "zero_point", coded.storage, &editor), "float_zero_point", &editor)
      let centred = editor.addValue("\(layer.title).centred", type: .float32)
      nodes.append(
        Node(name: "\(layer.name)/centre", op: "Sub", inputs: [numbers, zeroPoint], outputs: [centred]))
      numbers = centred
    }
    let scales = rows(stored.scale, "scale", .float32, &editor)
    nodes.append(Node(name: layer.name, op: "Mul", inputs: [numbers, scales], outputs: node.outputs))
    editor.replace(node: layer.node, with: nodes)
    return true
  }
}

extension WeightLayer {
  /// One number for each row of a table.
  fileprivate var rowShape: Shape { Shape([shape[0]] + [Int](repeating: 1, count: shape.rank - 1)) }
}
