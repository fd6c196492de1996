import Tensors

/// Bytes that nodes take apart into bits: element i is bit i mod 8, from the lowest, of byte i / 8.
struct PackedBits {
  /// More nodes than this behind the BitwiseAnd are no pattern.
  private static let largestDepth = 8

  /// uint8
  let mask: Tensor
  /// Never of more elements than the mask has bits.
  private(set) var shape: Shape
  /// What the bits are as numbers.
  private(set) var type = ElementType.uint8

  var count: Int { shape.elementCount }

  /// nil when `id` does not come from a constant by Unsqueeze, BitShift, BitwiseAnd, and then Reshape, Cast and Slice.
  init?(_ id: ValueID, _ graph: Graph, _ uses: GraphUses) {
    var steps: [Node] = []
    var id = id
    while true {
      guard let writer = uses.writer(of: id), steps.count <= Self.largestDepth else { return nil }
      let node = graph.nodes[writer]
      if node.op == "BitwiseAnd" {
        guard let mask = Self.mask(node, graph, uses) else { return nil }
        self.mask = mask
        break
      }
      guard ["Reshape", "Slice", "Cast"].contains(node.op) else { return nil }
      steps.append(node)
      id = node.inputs[0]
    }
    guard mask.elementCount <= Int.max / 8 else { return nil }
    shape = [mask.elementCount, 8]
    for step in steps.reversed() {
      guard let result = shape(after: step, graph, uses) else { return nil }
      shape = result
      if step.op == "Cast" {
        guard let target = step.castTarget else { return nil }
        type = target
      }
    }
  }

  /// The bytes behind `BitwiseAnd(BitShift(bytes [n, 1], [0, 1 … 7]), 1)`.
  private static func mask(_ node: Node, _ graph: Graph, _ uses: GraphUses) -> Tensor? {
    for (shifted, one) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
      guard let one = uses.constant(one, in: graph), one.bytes(of: 1) == [1], one.shape.rank <= 2,
        let writer = uses.writer(of: shifted), case let shift = graph.nodes[writer], shift.op == "BitShift",
        shift.attributes.string("direction") == "RIGHT",
        let places = uses.constant(shift.inputs[1], in: graph), places.bytes(of: 8) == Array(0..<8),
        places.shape == [8] || places.shape == [1, 8]
      else { continue }
      return column(shift.inputs[0], graph, uses)
    }
    return nil
  }

  /// A uint8 constant `[n, 1]`, or `[n]` behind an Unsqueeze.
  private static func column(_ id: ValueID, _ graph: Graph, _ uses: GraphUses) -> Tensor? {
    if let mask = uses.constant(id, in: graph) {
      return mask.type == .uint8 && mask.shape.rank == 2 && mask.shape[1] == 1 ? mask : nil
    }
    guard let writer = uses.writer(of: id), case let node = graph.nodes[writer], node.op == "Unsqueeze",
      node.inputs.count == 2, let axes = uses.constant(node.inputs[1], in: graph)?.integers,
      axes == [1] || axes == [-1], let mask = uses.constant(node.inputs[0], in: graph), mask.type == .uint8,
      mask.shape.rank == 1
    else { return nil }
    return mask
  }

  private func shape(after node: Node, _ graph: Graph, _ uses: GraphUses) -> Shape? {
    let constants = node.inputs.dropFirst().map { uses.constant($0, in: graph) }
    switch node.op {
    case "Cast": return shape
    case "Slice":
      // The first elements of a vector.
      guard shape.rank == 1, constants.count >= 2, constants[0]?.integers == [0],
        let end = constants[1]?.integers, end.count == 1, end[0] >= 0,
        constants.count < 3 || node.inputs[3].isNone || constants[2]?.integers == [0],
        constants.count < 4 || node.inputs[4].isNone || constants[3]?.integers == [1]
      else { return nil }
      return [min(end[0], shape[0])]
    default:
      guard let rule = OperatorTable.rule(for: node.op), constants.count == 1, constants[0] != nil else {
        return nil
      }
      var context = InferenceContext(
        node: node,
        inputTypes: [.tensor(TensorType(type, shape: shape))]
          + constants.map { $0.map { .tensor(TensorType($0.type, shape: $0.shape)) } },
        constants: [nil] + constants)
      guard (try? rule.infer(&context)) != nil, let result = context.outputTypes[0]?.tensor?.shape,
        result.checkedElementCount == count
      else { return nil }
      return result
    }
  }
}

extension Tensor {
  /// The elements of a uint8 tensor that has `count` of them.
  fileprivate func bytes(of count: Int) -> [UInt8]? {
    type == .uint8 && elementCount == count ? array(of: UInt8.self) : nil
  }
}
