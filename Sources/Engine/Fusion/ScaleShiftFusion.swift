import GraphIR
import Tensors

extension Fusion {
  /// BatchNormalization with constant statistics: one scale and one shift for each channel.
  static func joinScaleShifts(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join scales and shifts", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "BatchNormalization" {
      guard let affine = affine(node, view) else { continue }
      let name = graph[node.outputs[0]].name
      let channels = Shape([affine.scale.count])
      var fused = node
      fused.op = FusedOperator.scaleShift
      fused.attributes = [:]
      fused.inputs = [
        node.inputs[0],
        patch.addConstant(name + "_scale", try Tensor(shape: channels, affine.scale.map(Float.init))),
        patch.addConstant(name + "_shift", try Tensor(shape: channels, affine.shift().map(Float.init))),
      ]
      patch.replace(index, with: fused)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private static func affine(_ node: Node, _ view: FusionView) -> ChannelAffine? {
    guard view.element(node.outputs[0]) == .float32, view.type(node.inputs[0])?.dimensions?.count ?? 0 > 1,
      node.inputs.dropFirst().allSatisfy({ view.element($0) == .float32 })
    else { return nil }
    return ChannelAffine(node, view.graph, view.uses)
  }
}
