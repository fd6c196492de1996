import GraphIR
import Tensors

extension Fusion {
  /// A shuffle of channels, a depthwise convolution and one of single pixels: the depthwise one works on the channels as
  /// they are, and the other one picks them in the shuffled order.
  @discardableResult
  static func joinShuffles(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join channel shuffles", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard let match = try shuffled(node, view) else { continue }
      var depthwise = match.depthwise.node
      let name = graph[depthwise.inputs[1]].name + "_shuffled"
      depthwise.inputs[0] = match.source
      depthwise.inputs[1] = patch.addConstant(name, match.weight)
      if let bias = match.bias { depthwise.inputs[2] = patch.addConstant(name + "_bias", bias) }
      var product = node
      product.attributes[FusedOperator.shuffle] = .int(match.groups)
      patch.replace(match.depthwise.index, with: depthwise)
      patch.replace(index, with: product)
      for inner in match.nodes { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private struct Shuffle {
    let source: ValueID
    let groups: Int
    let depthwise: (index: Int, node: Node)
    let weight: Tensor
    let bias: Tensor?
    let nodes: [Int]
  }

  private static func shuffled(_ node: Node, _ view: FusionView) throws -> Shuffle? {
    guard node.op == FusedOperator.convNHWC, isPointwise(node, view),
      let depthwise = view.soleWriter(node.inputs[0], FusedOperator.convNHWC), !depthwise.node.hasInput(3),
      let weight = view.constant(depthwise.node.inputs[1]), weight.shape[1] == 1,
      depthwise.node.attributes.int("group") == weight.shape[0],
      let back = view.soleWriter(depthwise.node.inputs[0], "Reshape"),
      let swap = view.soleWriter(back.node.inputs[0], "Transpose"),
      swap.node.attributes.ints("perm") == [0, 1, 2, 4, 3],
      let split = view.soleWriter(swap.node.inputs[0], "Reshape"),
      let pixel = view.type(swap.node.inputs[0])?.dimensions?.suffix(2).compactMap(\.extent),
      pixel.count == 2,
      view.type(split.node.inputs[0])?.dimensions?.last == .known(weight.shape[0]),
      pixel[0] * pixel[1] == weight.shape[0],
      view.type(split.node.inputs[0])?.dimensions == view.type(back.node.outputs[0])?.dimensions
    else { return nil }
    let places = (0..<weight.shape[0]).map { $0 % pixel[0] * pixel[1] + $0 / pixel[0] }
    let bias = depthwise.node.hasInput(2) ? view.constant(depthwise.node.inputs[2]) : nil
    if depthwise.node.hasInput(2) && bias?.type != .float32 { return nil }
    return Shuffle(
      source: split.node.inputs[0], groups: pixel[0], depthwise: depthwise,
      weight: try moved(weight, to: places), bias: try bias.map { try moved($0, to: places) },
      nodes: [split.index, swap.index, back.index])
  }

  private static func isPointwise(_ node: Node, _ view: FusionView) -> Bool {
    guard let weight = view.constant(node.inputs[1]), weight.shape.product(2..<weight.shape.rank) == 1,
      node.attributes.ints("pads")?.allSatisfy({ $0 == 0 }) ?? true,
      ["NOTSET", "VALID"].contains(node.attributes.string("auto_pad") ?? "NOTSET"),
      node.attributes.int(FusedOperator.channelsFirst) ?? 0 == 0
    else { return false }
    return node.attributes.int(FusedOperator.shuffle) == nil
  }

  /// Row i of a float32 tensor becomes row `places[i]`.
  private static func moved(_ tensor: Tensor, to places: [Int]) throws -> Tensor {
    let elements = tensor.array(of: Float.self)
    let size = elements.count / places.count
    var result = elements
    for (row, place) in places.enumerated() {
      for index in 0..<size { result[place * size + index] = elements[row * size + index] }
    }
    return try Tensor(shape: tensor.shape, result)
  }
}
