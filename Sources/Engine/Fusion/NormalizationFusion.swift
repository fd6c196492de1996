import GraphIR
import Tensors

extension Fusion {
  /// The spelling of layer normalization with reductions over the last axis, as exporters wrote it before there was an
  /// operator: (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + bias.
  static func joinLayerNormalizations(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join layer normalizations", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "Add" {
      guard view.element(node.outputs[0]) == .float32, let match = layerNormalization(node, view) else {
        continue
      }
      patch.replace(
        index,
        with: Node(
          name: node.name, op: "LayerNormalization", inputs: [match.x, match.scale, match.bias],
          outputs: node.outputs, attributes: ["axis": .int(-1), "epsilon": .float(match.epsilon)]))
      for inner in match.nodes { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private struct LayerNormalizationMatch {
    let x: ValueID
    let scale: ValueID
    let bias: ValueID
    let epsilon: Float
    let nodes: [Int]
  }

  private static func layerNormalization(_ node: Node, _ view: FusionView) -> LayerNormalizationMatch? {
    for side in 0...1 {
      guard let scaled = view.soleWriter(node.inputs[side], "Mul") else { continue }
      let bias = node.inputs[1 - side]
      for inner in 0...1 {
        guard let quotient = view.soleWriter(scaled.node.inputs[inner], "Div"),
          let root = view.soleWriter(quotient.node.inputs[1], "Sqrt"),
          let sum = view.soleWriter(root.node.inputs[0], "Add"),
          let (epsilon, variance) = constantOperand(sum.node, view),
          let mean = meanOverLastAxis(variance, view),
          let square = view.soleWriter(mean.node.inputs[0], "Pow", "Mul"),
          let (deviation, x, rest) = deviation(square.node, quotient.node, view),
          let width = view.type(x)?.dimensions?.last?.extent,
          isRow(scaled.node.inputs[1 - inner], width, view), isRow(bias, width, view)
        else { continue }
        return LayerNormalizationMatch(
          x: x, scale: scaled.node.inputs[1 - inner], bias: bias, epsilon: epsilon,
          nodes: [scaled.index, quotient.index, root.index, sum.index, mean.index, square.index, deviation]
            + rest)
      }
    }
    return nil
  }

  /// The nodes of x - mean(x) when `square` squares that and `quotient` divides it. Some exporters compute the
  /// difference twice.
  private static func deviation(
    _ square: Node, _ quotient: Node, _ view: FusionView
  ) -> (deviation: Int, x: ValueID, rest: [Int])? {
    if square.op == "Pow" {
      guard view.scalarValue(square.inputs[1]) == 2 else { return nil }
    } else if square.inputs[0] != square.inputs[1] {
      return nil
    }
    guard let numerator = view.writer(quotient.inputs[0], "Sub"),
      let squared = view.writer(square.inputs[0], "Sub")
    else { return nil }
    let reads = square.op == "Pow" ? 1 : 2
    var rest: [Int] = []
    if numerator.index == squared.index {
      guard view.isRead(numerator.node.outputs[0], times: 1 + reads) else { return nil }
    } else {
      guard numerator.node.inputs == squared.node.inputs,
        view.isRead(numerator.node.outputs[0], times: 1), view.isRead(squared.node.outputs[0], times: reads)
      else { return nil }
      rest.append(squared.index)
    }
    let x = numerator.node.inputs[0]
    guard let mean = view.writer(numerator.node.inputs[1], "ReduceMean"), mean.node.inputs[0] == x,
      isOverLastAxis(mean.node, view), view.isRead(mean.node.outputs[0], times: 1 + rest.count)
    else { return nil }
    return (numerator.index, x, rest + [mean.index])
  }

  private static func meanOverLastAxis(_ id: ValueID, _ view: FusionView) -> (index: Int, node: Node)? {
    guard let mean = view.soleWriter(id, "ReduceMean"), isOverLastAxis(mean.node, view) else { return nil }
    return mean
  }

  private static func isOverLastAxis(_ node: Node, _ view: FusionView) -> Bool {
    guard node.attributes.int("keepdims") ?? 1 == 1, node.hasInput(1),
      let rank = view.type(node.inputs[0])?.dimensions?.count,
      let axes = view.constant(node.inputs[1]), axes.type == .int64, axes.elementCount == 1
    else { return false }
    let axis = axes.array(of: Int.self)[0]
    return axis == -1 || axis == rank - 1
  }

  /// A constant of `width` elements along the last axis.
  private static func isRow(_ id: ValueID, _ width: Int, _ view: FusionView) -> Bool {
    guard let tensor = view.constant(id) else { return false }
    return tensor.type == .float32 && tensor.shape.rank == 1 && tensor.elementCount == width
  }

  /// Add of two tensors of the same shape, then LayerNormalization over the last axis: one node. The sum is its second
  /// output when others read it.
  static func joinNormalizedSums(_ graph: inout Graph) throws -> Int {
    if !graph.nodes.contains(where: { $0.op == "LayerNormalization" }) { return 0 }
    let view = try FusionView.comparingShapes(graph)
    var patch = GraphPatch("join normalized sums", for: graph)
    var taken: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() where node.op == "LayerNormalization" {
      guard node.outputs.count == 1 || node.outputs[1...].allSatisfy(\.isNone),
        view.element(node.inputs[0]) == .float32, let sum = view.writer(node.inputs[0], "Add"),
        view.haveEqualShapes(sum.node.inputs[0], sum.node.inputs[1]),
        let type = view.type(sum.node.inputs[0]), let rank = type.dimensions?.count, rank > 1,
        let width = type.dimensions?.last?.extent,
        node.inputs[1...].allSatisfy({ $0.isNone || view.type($0)?.shape == [width] })
      else { continue }
      let axis = node.attributes.int("axis") ?? -1
      if axis != -1 && axis != rank - 1 || !taken.insert(sum.index).inserted { continue }
      let isShared = view.uses.readCount(of: node.inputs[0]) > 1
      var fused = node
      fused.op = FusedOperator.addLayerNormalization
      fused.inputs = sum.node.inputs + node.inputs[1...]
      fused.outputs = [node.outputs[0]] + (isShared ? [node.inputs[0]] : [])
      fused.attributes = ["axis": .int(-1)]
      fused.attributes["epsilon"] = node.attributes["epsilon"]
      // The sum is there as early as its first reader needs it.
      patch.replace(isShared ? sum.index : index, with: fused)
      patch.remove(isShared ? index : sum.index)
    }
    try patch.apply(to: &graph)
    return taken.count
  }

  /// The number and the other operand of a node of two, one of which is a constant with one element.
  static func constantOperand(_ node: Node, _ view: FusionView) -> (value: Float, other: ValueID)? {
    for side in 0...1 {
      if let value = view.scalar(node.inputs[side]) { return (value, node.inputs[1 - side]) }
    }
    return nil
  }
}

extension FusionView {
  /// Whether nodes read `id` exactly so often, and nothing else does.
  func isRead(_ id: ValueID, times: Int) -> Bool {
    uses.readCount(of: id) == times && !uses.isOutput(id)
  }

  /// Whether two values are known to have the same shape in every run.
  func haveEqualShapes(_ a: ValueID, _ b: ValueID) -> Bool {
    guard let left = type(a)?.dimensions, let right = type(b)?.dimensions, left == right else { return false }
    return !left.contains(.unknown)
  }

  /// The only element of a constant of any number type that exponents are written in.
  func scalarValue(_ id: ValueID) -> Float? {
    guard let tensor = constant(id), tensor.elementCount == 1 else { return nil }
    switch tensor.type {
    case .float32: return tensor.array(of: Float.self)[0]
    case .int64: return Float(tensor.array(of: Int.self)[0])
    case .int32: return Float(tensor.array(of: Int32.self)[0])
    default: return nil
    }
  }
}
