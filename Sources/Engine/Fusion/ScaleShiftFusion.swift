import GraphIR
import Tensors

extension Fusion {
  /// BatchNormalization with constant statistics: one scale and one shift for each channel.
  static func joinScaleShifts(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join scales and shifts", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "BatchNormalization" {
      guard let values = try scaleAndShift(node, view) else { continue }
      let name = graph[node.outputs[0]].name
      let channels = Shape([values.scale.count])
      var fused = node
      fused.op = FusedOperator.scaleShift
      fused.attributes = [:]
      fused.inputs = [
        node.inputs[0], patch.addConstant(name + "_scale", try Tensor(shape: channels, values.scale)),
        patch.addConstant(name + "_shift", try Tensor(shape: channels, values.shift)),
      ]
      patch.replace(index, with: fused)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private static func scaleAndShift(
    _ node: Node, _ view: FusionView
  ) throws -> (scale: [Float], shift: [Float])? {
    let attributes = try BatchNormalizationAttributes(node)
    guard !attributes.isTraining, view.element(node.outputs[0]) == .float32,
      view.type(node.inputs[0])?.dimensions?.count ?? 0 > 1
    else { return nil }
    var parameters: [[Double]] = []
    for input in node.inputs[1..<5] {
      guard let tensor = view.constant(input), tensor.type == .float32 else { return nil }
      parameters.append(tensor.array(of: Float.self).map(Double.init))
    }
    let (scale, bias, mean, variance) = (parameters[0], parameters[1], parameters[2], parameters[3])
    guard parameters.allSatisfy({ $0.count == scale.count }) else { return nil }
    let factors = scale.indices.map {
      scale[$0] / (variance[$0] + Double(attributes.epsilon)).squareRoot()
    }
    return (factors.map(Float.init), factors.indices.map { Float(bias[$0] - mean[$0] * factors[$0]) })
  }
}
