import GraphIR
import Tensors

extension Fusion {
  /// A product of rows that nodes before it round to 8 bits, each row by the largest of its absolute values: one node
  /// that takes float rows and gives float rows.
  ///
  /// The rows: `scale = Max(ReduceMax(Abs(x)) · factor, minimum)`, `Cast(Clip(Round(x / scale) + zero_point, 0, 255))`.
  /// The product: `Cast(MatMulInteger(rows, w)) · scale · w_scale`.
  static func joinRowQuantization(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join row quantization", for: graph)
    var changes = 0
    var codes: Set<ValueID> = []
    for (index, node) in graph.nodes.enumerated() where node.op == "Mul" {
      guard let match = RowProduct(node, view) else { continue }
      patch.replace(index, with: match.node)
      for inner in match.nodes { patch.remove(inner) }
      codes.formUnion(match.rows.values)
      changes += 1
    }
    try patch.apply(to: &graph)
    // Products share the rows, and not all of them need have been joined.
    if changes > 0 { try removeUnread(codes, &graph) }
    return changes
  }

  /// Removes the nodes that give `values` as far as nobody reads these.
  private static func removeUnread(_ values: Set<ValueID>, _ graph: inout Graph) throws {
    while true {
      let uses = GraphUses(graph)
      var patch = GraphPatch("remove unread rows", for: graph)
      for value in values where uses.readCount(of: value) == 0 {
        if let writer = uses.writer(of: value) { patch.remove(writer) }
      }
      if patch.isEmpty { return }
      try patch.apply(to: &graph)
    }
  }
}

/// The nodes between an integer product and its float result.
private struct RowProduct {
  let node: Node
  let nodes: [Int]
  let rows: QuantizedRows

  init?(_ last: Node, _ view: FusionView) {
    for (value, other) in [(last.inputs[0], last.inputs[1]), (last.inputs[1], last.inputs[0])] {
      guard let scaled = view.soleWriter(value, "Mul"), let weightScale = view.constant(other),
        let match = RowProduct(last, scaled, weightScale, other, view)
      else { continue }
      self = match
      return
    }
    return nil
  }

  private init?(
    _ last: Node, _ scaled: (index: Int, node: Node), _ weightScale: Tensor, _ weightScaleID: ValueID,
    _ view: FusionView
  ) {
    for (sum, scale) in [(0, 1), (1, 0)] {
      guard let cast = view.soleWriter(scaled.node.inputs[sum], "Cast"),
        view.element(cast.node.outputs[0]) == .float32,
        let product = view.soleWriter(cast.node.inputs[0], "MatMulInteger"), product.node.hasInput(2),
        let rows = QuantizedRows(product.node.inputs[0], view), rows.scale == scaled.node.inputs[scale],
        let zeroPoint = view.constant(product.node.inputs[2]), zeroPoint.type == .uint8,
        zeroPoint.elementCount == 1, zeroPoint.array(of: UInt8.self)[0] == rows.zeroPoint,
        let weight = view.constant(product.node.inputs[1]), weight.shape.rank == 2,
        weightScale.type == .float32, weightScale.shape.rank <= 1,
        weightScale.elementCount == 1 || weightScale.elementCount == weight.shape[1]
      else { continue }
      let weightZeroPoint = product.node.hasInput(3) ? product.node.inputs[3] : .none
      if !weightZeroPoint.isNone {
        guard let values = view.constant(weightZeroPoint), values.shape.rank <= 1,
          values.elementCount == 1 || values.elementCount == weight.shape[1]
        else { continue }
      }
      self.rows = rows
      nodes = [scaled.index, cast.index, product.index]
      node = Node(
        name: product.node.name, op: FusedOperator.dynamicMatMul,
        inputs: [rows.x, product.node.inputs[1], weightScaleID, weightZeroPoint], outputs: last.outputs,
        attributes: [
          FusedOperator.rowFactor: .float(rows.factor), FusedOperator.rowMinimum: .float(rows.minimum),
          FusedOperator.rowZeroPoint: .int(Int(rows.zeroPoint)),
        ])
      return
    }
    return nil
  }
}

/// Rows of `x` as 8-bit codes with a scale for each.
private struct QuantizedRows {
  let x: ValueID
  let scale: ValueID
  let factor: Float
  let minimum: Float
  let zeroPoint: UInt8
  /// All values on the way from x to the codes.
  private(set) var values: [ValueID] = []

  init?(_ codes: ValueID, _ view: FusionView) {
    guard let cast = view.writer(codes, "Cast"), view.element(codes) == .uint8,
      let clip = view.writer(cast.node.inputs[0], "Clip"), clip.node.hasInput(1), clip.node.hasInput(2),
      view.scalar(clip.node.inputs[1]) == 0, view.scalar(clip.node.inputs[2]) == 255,
      let sum = view.writer(clip.node.inputs[0], "Add"), let shift = Self.operand(sum.node, view),
      let zeroPoint = UInt8(exactly: shift.constant),
      let round = view.writer(shift.value, "Round"),
      let division = view.writer(round.node.inputs[0], "Div"),
      view.element(division.node.inputs[0]) == .float32
    else { return nil }
    x = division.node.inputs[0]
    scale = division.node.inputs[1]
    guard let bounded = view.writer(scale, "Max"), let floor = Self.operand(bounded.node, view),
      let product = view.writer(floor.value, "Mul"), let share = Self.operand(product.node, view),
      floor.constant > 0, floor.constant.isFinite, share.constant > 0, share.constant.isFinite,
      let largest = view.writer(share.value, "ReduceMax"), Self.isOfRows(largest.node, view),
      let absolute = view.writer(largest.node.inputs[0], "Abs"), absolute.node.inputs[0] == x
    else { return nil }
    factor = share.constant
    minimum = floor.constant
    self.zeroPoint = zeroPoint
    values = [cast, clip, sum, round, division, bounded, product, largest, absolute].map {
      $0.node.outputs[0]
    }
  }

  /// Along the last axis, which stays with extent 1.
  private static func isOfRows(_ node: Node, _ view: FusionView) -> Bool {
    guard node.hasInput(1), let axes = view.constant(node.inputs[1]), axes.type == .int64,
      axes.elementCount == 1, (node.attributes.int("keepdims") ?? 1) != 0
    else { return false }
    let axis = axes.array(of: Int.self)[0]
    return axis == -1 || axis == view.type(node.inputs[0])?.dimensions.map { $0.count - 1 }
  }

  /// The two inputs of a node of which one is a constant number.
  private static func operand(_ node: Node, _ view: FusionView) -> (value: ValueID, constant: Float)? {
    guard node.inputs.count == 2 else { return nil }
    for (value, constant) in [(0, 1), (1, 0)] {
      guard let number = view.scalar(node.inputs[constant]),
        view.constant(node.inputs[constant])?.shape.rank == 0
      else { continue }
      return (node.inputs[value], number)
    }
    return nil
  }
}
