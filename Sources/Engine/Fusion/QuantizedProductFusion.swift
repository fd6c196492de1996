import GraphIR
import Tensors

extension Fusion {
  /// MatMul, Gemm or Conv of a dequantized 8-bit tensor and a dequantized 8-bit weight: one node that multiplies
  /// the integers.
  static func joinQuantizedProducts(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join quantized products", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let fused = try quantizedProduct(node, view, &patch) else { continue }
      patch.replace(index, with: fused)
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { try removeUnreadDequantization(&graph) }
    return changes
  }

  private static func quantizedProduct(_ node: Node, _ view: FusionView, _ patch: inout GraphPatch) throws
    -> Node?
  {
    switch node.op {
    case "MatMul", "Gemm": return try quantizedMatMul(node, view, &patch)
    case "Conv": return quantizedConv(node, view)
    case "QLinearConv": return linearConv(node, view)
    default: return nil
    }
  }

  /// The quantized tensor, scale and zero point that `id` was made from, when all are 8 bits and not blocked.
  private static func dequantized(_ id: ValueID, _ view: FusionView) -> Node? {
    guard let (_, node) = view.writer(id, "DequantizeLinear"), let element = view.element(node.inputs[0]),
      [ElementType].eightBit.contains(element), view.element(node.inputs[1]) == .float32,
      (node.attributes.int("block_size") ?? 0) == 0
    else { return nil }
    return node
  }

  private static func isSingle(_ node: Node, _ view: FusionView) -> Bool {
    view.type(node.inputs[1])?.shape?.elementCount == 1
  }

  /// One scale for the tensor, or one for each place on `axis`.
  private static func hasScale(_ node: Node, along axis: Int, extent: Int, rank: Int, _ view: FusionView)
    -> Bool
  {
    if isSingle(node, view) { return true }
    let own = node.attributes.int("axis") ?? 1
    return (own < 0 ? own + rank : own) == axis && view.type(node.inputs[1])?.shape?.elementCount == extent
  }

  private static func zeroPoint(_ node: Node) -> ValueID { node.hasInput(2) ? node.inputs[2] : .none }

  private static func quantizedMatMul(_ node: Node, _ view: FusionView, _ patch: inout GraphPatch) throws
    -> Node?
  {
    guard let x = dequantized(node.inputs[0], view), isSingle(x, view),
      let w = dequantized(node.inputs[1], view)
    else { return nil }
    if view.constant(w.inputs[0]) == nil { return productOfActivations(node, x, w, view) }
    guard var weight = view.constant(w.inputs[0]), weight.shape.rank == 2 else { return nil }
    let isTransposed = node.op == "Gemm" && node.attributes.int("transB") == 1
    let columnAxis = isTransposed ? 0 : 1
    let columns = weight.shape[columnAxis]
    guard hasScale(w, along: columnAxis, extent: columns, rank: 2, view) else { return nil }
    var bias = ValueID.none
    if node.op == "Gemm" {
      guard node.attributes.int("transA") ?? 0 == 0, node.attributes.float("alpha") ?? 1 == 1,
        node.attributes.float("beta") ?? 1 == 1
      else { return nil }
      if let integers = integerBias(node, x, w, count: columns, view) {
        bias = integers
      } else if node.hasInput(2) {
        guard let values = view.constant(node.inputs[2]), values.type == .float32,
          values.elementCount == columns,
          values.shape.dimensions.last == columns
        else { return nil }
        bias = patch.addConstant(view.graph[node.inputs[2]].name + "_row", try values.reshaped(to: [columns]))
      }
    }
    var weightID = w.inputs[0]
    if isTransposed {
      weight = try weight.transposedBytes()
      weightID = patch.addConstant(view.graph[weightID].name + "_transposed", weight)
    }
    return Node(
      name: node.name, op: FusedOperator.quantizedMatMul,
      inputs: [x.inputs[0], x.inputs[1], zeroPoint(x), weightID, w.inputs[1], zeroPoint(w), bias],
      outputs: node.outputs)
  }

  private static func quantizedConv(_ node: Node, _ view: FusionView) -> Node? {
    guard let x = dequantized(node.inputs[0], view), isSingle(x, view),
      let w = dequantized(node.inputs[1], view), let weight = view.constant(w.inputs[0]),
      weight.shape.rank == 3 || weight.shape.rank == 4,
      hasScale(w, along: 0, extent: weight.shape[0], rank: weight.shape.rank, view)
    else { return nil }
    var bias = ValueID.none
    if let integers = integerBias(node, x, w, count: weight.shape[0], view) {
      bias = integers
    } else if node.hasInput(2) {
      guard view.element(node.inputs[2]) == .float32 else { return nil }
      bias = node.inputs[2]
    }
    return Node(
      name: node.name, op: FusedOperator.quantizedConv,
      inputs: [x.inputs[0], x.inputs[1], zeroPoint(x), w.inputs[0], w.inputs[1], zeroPoint(w), bias],
      outputs: node.outputs, attributes: node.attributes)
  }

  /// A product of two tensors that only the run tells.
  private static func productOfActivations(_ node: Node, _ x: Node, _ w: Node, _ view: FusionView) -> Node? {
    guard node.op == "MatMul", isSingle(w, view) else { return nil }
    return Node(
      name: node.name, op: FusedOperator.quantizedMatMul,
      inputs: [x.inputs[0], x.inputs[1], zeroPoint(x), w.inputs[0], w.inputs[1], zeroPoint(w)],
      outputs: node.outputs)
  }

  /// The int32 bias of a product when its scale is that of the sums, as quantizers write it.
  private static func integerBias(_ node: Node, _ x: Node, _ w: Node, count: Int, _ view: FusionView)
    -> ValueID?
  {
    guard node.hasInput(2), let (_, bias) = view.writer(node.inputs[2], "DequantizeLinear"),
      let values = view.constant(bias.inputs[0]), values.type == .int32, values.shape == [count],
      let scale = view.constant(bias.inputs[1]), scale.type == .float32,
      let xScale = view.scalar(x.inputs[1]), let wScale = view.constant(w.inputs[1])
    else { return nil }
    if bias.hasInput(2) {
      guard let points = view.constant(bias.inputs[2]), points.withBytes({ $0.allSatisfy { $0 == 0 } }) else {
        return nil
      }
    }
    let (own, factors) = (scale.array(of: Float.self), wScale.array(of: Float.self))
    let agree = (0..<count).allSatisfy { index in
      let wanted = xScale * factors[factors.count == 1 ? 0 : index]
      return abs(own[own.count == 1 ? 0 : index] - wanted) <= 1e-6 * abs(wanted)
    }
    return agree ? bias.inputs[0] : nil
  }

  /// x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, bias
  private static func linearConv(_ node: Node, _ view: FusionView) -> Node? {
    guard view.element(node.inputs[1]) == .float32, let weight = view.constant(node.inputs[3]),
      weight.shape.rank == 3 || weight.shape.rank == 4, [ElementType].eightBit.contains(weight.type),
      let result = view.element(node.outputs[0]), [ElementType].eightBit.contains(result)
    else { return nil }
    let bias = node.hasInput(8) ? node.inputs[8] : .none
    return Node(
      name: node.name, op: FusedOperator.quantizedConv,
      inputs: Array(node.inputs[0..<6]) + [bias] + Array(node.inputs[6..<8]), outputs: node.outputs,
      attributes: node.attributes)
  }

  /// A quantized product with a float32 result, then QuantizeLinear to 8 bits with one scale: the product
  /// rounds by itself.
  static func joinQuantizedResults(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join quantized results", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "QuantizeLinear" && node.hasInput(2) {
      guard let element = view.element(node.outputs[0]), [ElementType].eightBit.contains(element),
        view.element(node.inputs[1]) == .float32, isSingle(node, view),
        (node.attributes.int("block_size") ?? 0) == 0,
        let product = view.soleWriter(
          node.inputs[0], FusedOperator.quantizedMatMul, FusedOperator.quantizedConv),
        !product.node.hasInput(7), isClamp(product.node)
      else { continue }
      var fused = product.node
      while fused.inputs.count < 7 { fused.inputs.append(.none) }
      fused.inputs += [node.inputs[1], node.inputs[2]]
      fused.outputs = node.outputs
      patch.replace(index, with: fused)
      patch.remove(product.index)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  /// Kernels that give integers know no other activation than a clamp.
  private static func isClamp(_ node: Node) -> Bool {
    guard let op = node.attributes.string(Activation.AttributeName.op) else { return true }
    return op == "Relu" || op == "Clip"
  }

  /// Also tables that nobody reads any more.
  static func removeUnreadDequantization(_ graph: inout Graph) throws {
    while true {
      let uses = GraphUses(graph)
      var patch = GraphPatch("remove unread DequantizeLinear", for: graph)
      var changes = 0
      for (index, node) in graph.nodes.enumerated()
      where (node.op == "DequantizeLinear" || node.op == FusedOperator.lookup)
        && uses.readCount(of: node.outputs[0]) == 0
      {
        patch.remove(index)
        changes += 1
      }
      if changes == 0 { return }
      try patch.apply(to: &graph)
    }
  }
}

extension Tensor {
  /// A matrix of one-byte elements, transposed.
  fileprivate func transposedBytes() throws -> Tensor {
    let (rows, columns) = (shape[0], shape[1])
    var result = try Tensor(type: type, shape: [columns, rows])
    withBytes { source in
      result.withMutableBytes { destination in
        for row in 0..<rows {
          for column in 0..<columns { destination[column * rows + row] = source[row * columns + column] }
        }
      }
    }
    return result
  }
}
