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
      var firsts: [ConstantKey: [ValueID]] = [:]
      var changes = 0
      for index in graph.values.indices {
        let id = ValueID(index)
        guard let tensor = uses.constant(id, in: graph), uses.readCount(of: id) > 0 else { continue }
        let key = ConstantKey(tensor)
        let equal = firsts[key]?.first { graph[$0].constant == tensor }
        if let equal, !uses.isOutput(id) {
          patch.replaceUses(of: id, with: equal)
          changes += 1
        } else {
          firsts[key, default: []].append(id)
        }
      }
      try patch.apply(to: &graph)
      return changes
    }
  }

  /// What equal tensors have in common and unequal ones hardly ever.
  private struct ConstantKey: Hashable {
    private static let sampleBytes = 4096

    let type: ElementType
    let shape: Shape
    let sample: Int

    init(_ tensor: Tensor) {
      type = tensor.type
      shape = tensor.shape
      var hasher = Hasher()
      if let strings = tensor.strings { hasher.combine(strings) }
      // The whole of a large one would have to be read from its file.
      tensor.withUnalignedBytes {
        hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(Self.sampleBytes)))
      }
      sample = hasher.finalize()
    }
  }
}
