import GraphIR

extension Fusion {
  /// Add of a convolution's result and a tensor of the same shape, and the activation after it: the convolution adds
  /// the tensor before it stores.
  @discardableResult
  static func joinResiduals(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join residuals", for: graph)
    var changes = 0
    // A convolution that waits for its residual must not be that of another one.
    var joined: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard let (side, convolution) = residual(node, view), !joined.contains(convolution.index) else {
        continue
      }
      joined.insert(convolution.index)
      var fused = convolution.node
      while fused.inputs.count < 4 { fused.inputs.append(.none) }
      fused.inputs[3] = node.inputs[1 - side]
      fused.outputs = node.outputs
      patch.replace(index, with: fused)
      patch.remove(convolution.index)
      changes += 1
    }
    try patch.apply(to: &graph)
    if changes > 0 { changes += try joinActivations(&graph) }
    return changes
  }

  private static func residual(
    _ node: Node, _ view: FusionView
  ) -> (side: Int, convolution: (index: Int, node: Node))? {
    guard node.op == "Add" || node.op == "Sum" && node.inputs.count == 2, node.inputs[0] != node.inputs[1]
    else {
      return nil
    }
    // The later one of two convolutions, so that the other need not be kept for longer.
    let sides = (0...1).compactMap { side in
      view.soleWriter(node.inputs[side], FusedOperator.convNHWC).map { (side, $0) }
    }
    return sides.sorted { $0.1.index > $1.1.index }.first { side, convolution in
      guard !convolution.node.hasInput(3),
        convolution.node.attributes[Activation.AttributeName.op] == nil,
        let own = view.type(node.inputs[side]), let other = view.type(node.inputs[1 - side])
      else { return false }
      return own == other && own.dimensions?.contains(.unknown) == false
    }
  }
}
