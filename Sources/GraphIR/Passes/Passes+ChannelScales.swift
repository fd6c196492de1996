import Tensors

extension Passes {
  /// A Mul or Add of one constant for each channel that follows a BatchNormalization becomes part of its scale and
  /// bias: what Caffe calls a Scale layer.
  ///
  /// Needs constant float32 or float64 scale and bias, and that nobody else reads what lies between.
  public static func joinChannelScales(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      let uses = GraphUses(graph)
      var patch = GraphPatch("join channel scales", for: graph)
      var scales: [ValueID: ChannelScale] = [:]
      var changes = 0
      for (index, node) in graph.nodes.enumerated() {
        guard let output = node.outputs.first else { continue }
        if let scale = ChannelScale(node, at: index, graph, uses) {
          scales[output] = scale
        } else if let (value, scale) = ChannelScale.joined(node, at: index, scales, graph, uses) {
          patch.remove(scales[value]?.index ?? index)
          scales[value] = nil
          scales[output] = scale
          changes += 1
        }
      }
      for (output, scale) in scales.sorted(by: { $0.value.index < $1.value.index }) where scale.isChanged {
        patch.replace(scale.index, with: try scale.node(giving: output, &patch, graph))
      }
      try patch.apply(to: &graph)
      return changes
    }
  }
}

/// A BatchNormalization with what followed it, in the place of the last node of the chain.
private struct ChannelScale {
  private(set) var index: Int
  private let normalization: Node
  private let rank: Int
  private let type: ElementType
  private var scale: [Double]
  private var bias: [Double]
  private(set) var isChanged = false

  init?(_ node: Node, at index: Int, _ graph: Graph, _ uses: GraphUses) {
    guard node.op == "BatchNormalization", node.inputs.count == 5,
      (node.attributes.int("training_mode") ?? 0) == 0, node.outputs.dropFirst().allSatisfy(\.isNone),
      let scale = uses.constant(node.inputs[1], in: graph), let factors = scale.doubles,
      let bias = uses.constant(node.inputs[2], in: graph)?.doubles, bias.count == factors.count,
      let rank = graph[node.inputs[0]].type?.tensor?.dimensions?.count, rank > 1
    else { return nil }
    self.index = index
    normalization = node
    self.rank = rank
    type = scale.type
    self.scale = factors
    self.bias = bias
  }

  /// What Mul or Add `node` makes of one of `scales`, and which value it takes that from.
  static func joined(
    _ node: Node, at index: Int, _ scales: [ValueID: ChannelScale], _ graph: Graph, _ uses: GraphUses
  ) -> (ValueID, ChannelScale)? {
    // Before opset 7 an attribute said which axes broadcast.
    guard node.op == "Mul" || node.op == "Add", node.attributes.entries.isEmpty else { return nil }
    for (value, other) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
      guard var scale = scales[value], uses.readCount(of: value) == 1, !uses.isOutput(value),
        let constant = uses.constant(other, in: graph), let values = scale.channelValues(constant)
      else { continue }
      scale.index = index
      scale.isChanged = true
      for channel in scale.scale.indices {
        if node.op == "Mul" {
          scale.scale[channel] *= values[channel]
          scale.bias[channel] *= values[channel]
        } else {
          scale.bias[channel] += values[channel]
        }
      }
      return (value, scale)
    }
    return nil
  }

  /// One number for each channel; nil when `tensor` changes along another axis, or adds one.
  private func channelValues(_ tensor: Tensor) -> [Double]? {
    guard tensor.type == type, let values = tensor.doubles, tensor.shape.rank <= rank else { return nil }
    if values.count == 1 { return Array(repeating: values[0], count: scale.count) }
    let axis = tensor.shape.rank - (rank - 1)
    guard axis >= 0, tensor.shape[axis] == scale.count, values.count == scale.count else { return nil }
    return values
  }

  func node(giving output: ValueID, _ patch: inout GraphPatch, _ graph: Graph) throws(GraphError) -> Node {
    var node = normalization
    for (input, values) in [(1, scale), (2, bias)] {
      let name = "\(graph[output].name)_\(input == 1 ? "scale" : "bias")"
      do {
        let tensor =
          type == .float64
          ? try Tensor(shape: [values.count], values)
          : try Tensor(shape: [values.count], values.map(Float.init))
        node.inputs[input] = patch.addConstant(name, tensor)
      } catch {
        throw .invalidGraph(reason: "join channel scales: \(error)")
      }
    }
    node.outputs = [output]
    return node
  }
}
