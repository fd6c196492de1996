import GraphIR
import Tensors

/// Layers that read one value and get common factors.
struct SmoothingGroup {
  var layers: [WeightLayer]
  var keys: [LayerKey]
  /// Their positions in the list of layers.
  var positions: [Int]
  /// The step that takes them all, and where it stands in the recipe.
  var step: QuantizeStep
  var path: String
  /// What takes the division; nil where only a Mul in front of the layers can.
  var source: FactorSource?

  private struct Origin: Hashable {
    var input: ValueID
    var path: String
  }

  /// The groups in graph order.
  /// - Parameter leave: gets every layer without a group, with the reason.
  static func groups(
    _ assignments: [QuantizeAssignment], _ scaling: ChannelScaling, leave: (LayerKey, String) -> Void
  ) -> [SmoothingGroup] {
    let (layers, graph, index) = (scaling.layers, scaling.graph, scaling.index)
    var order: [Origin] = []
    var members: [Origin: [QuantizeAssignment]] = [:]
    for assignment in assignments {
      if let obstacle = obstacle(assignment.layer, index) {
        leave(assignment.key, obstacle)
        continue
      }
      let origin = Origin(input: assignment.layer.activation, path: assignment.path)
      if members[origin] == nil { order.append(origin) }
      members[origin, default: []].append(assignment)
    }
    return order.compactMap { origin -> SmoothingGroup? in
      guard let members = members[origin], let first = members.first else { return nil }
      var group = SmoothingGroup(
        layers: members.map(\.layer), keys: members.map(\.key),
        positions: members.compactMap { member in layers.firstIndex { $0.node == member.layer.node } },
        step: first.step, path: first.path)
      let finding: FactorSource.Finding
      if let reason = group.obstacle(graph, index) {
        finding = .none(reason)
      } else {
        finding = FactorSource.find(
          origin.input, channels: first.layer.inputChannelCount ?? 0,
          channelsFromEnd: first.layer.isConvolution ? first.layer.shape.rank - 2 : 0, layers, graph, index)
      }
      switch finding {
      case .source(let source): group.source = source
      // Who states a number wants it, for one multiplication more of each input.
      case .none where first.step.smooth != .auto: break
      case .none(let reason):
        for key in group.keys { leave(key, reason) }
        return nil
      }
      return group
    }
  }

  private static func obstacle(_ layer: WeightLayer, _ index: GraphIndex) -> String? {
    if !layer.path.steps.isEmpty { return "it is in a body" }
    switch layer.kind {
    case .matMul where layer.shape.rank == 2, .gemm, .conv(groups: 1): break
    default: return "it is no product with one matrix"
    }
    return index.uses[layer.weight]?.count == 1 ? nil : "its weight is shared with another node"
  }

  /// Why nothing before the group can divide its input: others see it too, or parts of it.
  private func obstacle(_ graph: Graph, _ index: GraphIndex) -> String? {
    guard let first = layers.first, let uses = index.allUses(of: first.activation) else {
      return "its input leaves the graph"
    }
    for use in uses where !layers.contains(where: { $0.node == use.node && use.position == 0 }) {
      let op = graph.nodes[use.node].op
      if op != "Shape" && op != "Size" { return "\(op) reads its input too" }
    }
    let isAlike = layers.allSatisfy {
      $0.inputChannelCount == first.inputChannelCount && $0.matrix.depth == first.matrix.depth
    }
    return isAlike ? nil : "its input is read in different ways"
  }
}
