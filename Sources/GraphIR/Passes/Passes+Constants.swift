import Tensors

extension Passes {
  /// Constant nodes become initializers.
  public static func hoistConstantNodes(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      var patch = GraphPatch("hoist Constant nodes", for: graph)
      var changes = 0
      for (index, node) in graph.nodes.enumerated() where node.op == "Constant" && node.outputs.count == 1 {
        guard let tensor = try ConstantAttributes.dense(node) else { continue }
        patch.setConstant(node.outputs[0], tensor)
        patch.remove(index)
        changes += 1
      }
      try patch.apply(to: &graph)
      return changes
    }
  }

  /// Readers of equal constants come to share one of them.
  public static func shareEqualConstants(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      let uses = GraphUses(graph)
      var patch = GraphPatch("share equal constants", for: graph)
      var tensors = EqualTensors()
      var firsts: [ValueID] = []
      var changes = 0
      for index in graph.values.indices {
        let id = ValueID(index)
        guard let tensor = uses.constant(id, in: graph), uses.readCount(of: id) > 0 else { continue }
        let number = tensors.add(tensor)
        if number == firsts.count {
          firsts.append(id)
        } else if !uses.isOutput(id) {
          patch.replaceUses(of: id, with: firsts[number])
          changes += 1
        }
      }
      try patch.apply(to: &graph)
      return changes
    }
  }
}

extension Graph {
  /// Constants that the bodies of nodes read become their own; those of bodies further in follow by another call on the
  /// bodies.
  package mutating func localizeConstants() {
    let outer = self
    for index in nodes.indices where !nodes[index].bodies.isEmpty {
      nodes[index].mapBodies { body in
        var kept: [Capture] = []
        for capture in body.captures {
          guard let constant = outer.constant(capture.outer) else {
            kept.append(capture)
            continue
          }
          body[capture.inner].constant = constant
          body[capture.inner].type = .tensor(TensorType(constant.type, shape: constant.shape))
        }
        body.captures = kept
      }
    }
  }
}
