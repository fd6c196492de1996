import GraphIR
import Tensors

extension Fusion {
  /// What two neighbouring convolutions pass on must be at least so large that it would leave the second-level cache.
  private static let chainedBytes = 384 << 10

  /// The pointwise convolution after a depthwise one, and the one before it (an inverted residual, arXiv:1801.04381):
  /// one node that computes a stripe of rows at a time.
  @discardableResult
  static func joinChains(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join chains of convolutions", for: graph)
    var changes = 0
    // The last node of a chain can be what the first of another one would be.
    var joined: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      let chain = chain(index, node, view, joined)
      if chain.count < 2 { continue }
      joined.formUnion(chain)
      patch.replace(index, with: PixelChain.node(chain.map { graph.nodes[$0] }))
      for inner in chain.dropLast() { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  /// The nodes of the chain that ends with `node`, or fewer than two.
  private static func chain(
    _ index: Int, _ node: Node, _ view: FusionView, _ joined: Set<Int>
  ) -> [Int] {
    guard node.op == FusedOperator.convNHWC, isPointwise(node, view),
      let depthwise = view.soleWriter(node.inputs[0], FusedOperator.convNHWC),
      !depthwise.node.hasInput(3), isDepthwise(depthwise.node, view)
    else { return [] }
    let isLarge = imageBytes(node.inputs[0], view) >= chainedBytes
    if let first = view.soleWriter(depthwise.node.inputs[0], FusedOperator.convNHWC), !first.node.hasInput(3),
      !joined.contains(first.index),
      isPointwise(first.node, view) || isStrided(first.node),
      isLarge || imageBytes(depthwise.node.inputs[0], view) >= chainedBytes
    {
      return [first.index, depthwise.index, index]
    }
    return isLarge ? [depthwise.index, index] : []
  }

  private static func isDepthwise(_ node: Node, _ view: FusionView) -> Bool {
    guard let weight = view.constant(node.inputs[1]), weight.shape.rank == 4 else { return false }
    return weight.shape[1] == 1 && node.attributes.int("group") == weight.shape[0] && weight.shape[0] > 1
      && node.attributes.int(FusedOperator.channelsFirst) ?? 0 == 0
  }

  /// Never a Winograd convolution, whose lines are tiles.
  private static func isStrided(_ node: Node) -> Bool {
    node.attributes.int("group") ?? 1 == 1 && node.attributes.ints("strides")?.contains { $0 > 1 } ?? false
  }

  private static func imageBytes(_ id: ValueID, _ view: FusionView) -> Int {
    guard let dimensions = view.type(id)?.dimensions, dimensions.count == 4 else { return 0 }
    let extents = dimensions.dropFirst().compactMap(\.extent)
    return extents.count == 3 ? extents.reduce(4, *) : 0
  }
}
