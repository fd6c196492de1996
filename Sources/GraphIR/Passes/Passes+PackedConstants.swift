import Tensors

extension Passes {
  /// Constants that a file holds packed, with nodes that take them apart, become plain ones: bitmasks with the elements
  /// that are set, tables with the index of every element, single bits as floats.
  ///
  /// The nodes are those that any runtime computes: for a bitmask BitShift and BitwiseAnd, CumSum and Gather; for a table
  /// Cast and Gather. Where a mask or a table does not hold what is asked of it they are left for the run to report.
  /// What is made takes at most 32 times the bytes of the graph's constants, which float32 elements reach at a bit each,
  /// on top of 16 MiB.
  public static func expandPackedConstants(_ model: inout Model) throws(GraphError) -> Int {
    let changes = try model.changeGraphs { graph throws(GraphError) in
      let expansion = PackedConstants(graph)
      return try expansion.apply(to: &graph)
    }
    // Most of the nodes behind a mask are read by nobody now, and computing them takes many times its size.
    if changes > 0 { _ = try removeDeadCode(&model) }
    return changes
  }
}

private struct PackedConstants {
  private static let spareBytes = 16 << 20
  private static let largestGrowth = 32
  private static let largestTable = 256

  private let graph: Graph
  private let uses: GraphUses

  init(_ graph: Graph) {
    self.graph = graph
    uses = GraphUses(graph)
  }

  func apply(to target: inout Graph) throws(GraphError) -> Int {
    var patch = GraphPatch("expand packed constants", for: graph)
    var changes = 0
    var budget = Self.spareBytes
    for value in graph.values {
      let (bytes, overflow) = (value.constant?.byteCount ?? 0).multipliedReportingOverflow(
        by: Self.largestGrowth)
      budget = overflow || bytes > Int.max - budget ? Int.max : budget + bytes
    }
    for (index, node) in graph.nodes.enumerated() {
      guard let packed = packed(node), let bytes = packed.byteCount, bytes <= budget,
        let tensor = packed.expanded()
      else { continue }
      budget -= bytes
      patch.setConstant(node.outputs[0], tensor)
      patch.remove(index)
      changes += 1
    }
    try patch.apply(to: &target)
    return changes
  }

  private func packed(_ node: Node) -> (any PackedConstant)? {
    if node.op == "Cast" { return floatBits(node) }
    guard node.op == "Gather", (node.attributes.int("axis") ?? 0) == 0 || node.attributes.int("axis") == -1,
      node.inputs.count == 2, let values = uses.constant(node.inputs[0], in: graph), values.shape.rank == 1,
      !values.type.isPacked, [8, 16, 32, 64].contains(values.type.bitWidth),
      let writer = uses.writer(of: node.inputs[1])
    else { return nil }
    switch graph.nodes[writer].op {
    case "Mul": return maskedValues(values, graph.nodes[writer])
    case "Cast": return tableValues(values, graph.nodes[writer])
    default: return nil
    }
  }

  /// Element i is the rank-th of `values`, where the rank is how many bits are set up to it, or the first without one.
  private func maskedValues(_ values: Tensor, _ product: Node) -> MaskedValues? {
    for (counts, bits) in [(product.inputs[0], product.inputs[1]), (product.inputs[1], product.inputs[0])] {
      guard let writer = uses.writer(of: counts), case let sum = graph.nodes[writer], sum.op == "CumSum",
        sum.inputs.count == 2, sum.inputs[0] == bits, (sum.attributes.int("exclusive") ?? 0) == 0,
        (sum.attributes.int("reverse") ?? 0) == 0,
        let axis = uses.constant(sum.inputs[1], in: graph)?.integers,
        axis == [0] || axis == [-1],
        let packed = PackedBits(bits, graph, uses), packed.shape.rank == 1,
        packed.type == .int64 || (packed.type == .int32 && packed.count <= Int(Int32.max))
      else { continue }
      return MaskedValues(bits: packed, values: values)
    }
    return nil
  }

  private func tableValues(_ table: Tensor, _ cast: Node) -> TableValues? {
    guard table.elementCount <= Self.largestTable, let codes = uses.constant(cast.inputs[0], in: graph),
      let target = cast.castTarget, target == .int32 || target == .int64
    else { return nil }
    switch codes.type {
    case .uint2, .uint4, .uint8, .int2, .int4, .int8: return TableValues(codes: codes, values: table)
    default: return nil
    }
  }

  private func floatBits(_ cast: Node) -> FloatBits? {
    guard cast.castTarget == .float32, let bits = PackedBits(cast.inputs[0], graph, uses) else { return nil }
    return FloatBits(bits: bits)
  }
}

extension Node {
  /// The type that a Cast gives.
  var castTarget: ElementType? { attributes.int("to").flatMap(ElementType.init(onnxNumber:)) }
}
