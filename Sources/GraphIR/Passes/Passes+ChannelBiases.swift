import Tensors

extension Passes {
  /// An Add or Mul of one constant for each channel that follows a Conv, ConvTranspose or Gemm moves into its bias and
  /// weight: `factor * (W x + b) + offset` is linear in `W` and `b`. A product without a bias gets one.
  ///
  /// Needs constant float32 or float64 weights and bias, and that nobody else reads the product. Weights that several
  /// nodes share are not multiplied.
  public static func joinChannelBiases(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      var changes = 0
      while true {
        // One node of a chain at a time: what follows it is found in the next round.
        let foldings = ChannelFolding.independent(in: graph)
        if foldings.isEmpty { return changes }
        var patch = GraphPatch("join channel biases", for: graph)
        for folding in foldings { try folding.record(in: &patch, graph) }
        try patch.apply(to: &graph)
        changes += foldings.count
      }
    }
  }
}

/// A product and the Add or Mul behind it.
private struct ChannelFolding {
  private let node: Int
  private let product: Int
  private let isFactor: Bool
  private let layout: ChannelLayout
  private let weight: Tensor
  private let bias: ChannelValues?
  private let values: ChannelValues
  private let ownBias: ValueID?

  /// Foldings that change no node and no constant of another one.
  static func independent(in graph: Graph) -> [ChannelFolding] {
    let uses = GraphUses(graph)
    return graph.nodes.indices.compactMap { ChannelFolding(graph, uses, $0) }
  }

  private init?(_ graph: Graph, _ uses: GraphUses, _ index: Int) {
    let node = graph.nodes[index]
    // Before opset 7 an attribute said which axes broadcast.
    guard node.op == "Add" || node.op == "Mul", node.inputs.count == 2, node.attributes.entries.isEmpty
    else { return nil }
    for (value, other) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
      guard let source = uses.writer(of: value), uses.isReadOnce(value),
        let constant = uses.constant(other, in: graph),
        let folding = ChannelFolding(graph, uses, source, constant, isFactor: node.op == "Mul", node: index)
      else { continue }
      self = folding
      return
    }
    return nil
  }

  private init?(
    _ graph: Graph, _ uses: GraphUses, _ product: Int, _ constant: Tensor, isFactor: Bool, node: Int
  ) {
    let producer = graph.nodes[product]
    guard producer.inputs.count > 1, let weight = uses.constant(producer.inputs[1], in: graph),
      constant.type == weight.type, let channels = Self.channels(of: producer, weight.shape),
      let layout = ChannelLayout(producer, weight: weight, channels: channels, hasAddition: false),
      let values = Self.values(constant, channels: channels, rank: weight.shape.rank)
    else { return nil }
    if isFactor && (!values.values.allSatisfy(\.isFinite) || !uses.isReadOnce(producer.inputs[1])) {
      return nil
    }
    self.node = node
    self.product = product
    self.isFactor = isFactor
    self.layout = layout
    self.weight = weight
    self.values = values
    guard producer.hasInput(2) else {
      bias = nil
      ownBias = nil
      return
    }
    guard let tensor = uses.constant(producer.inputs[2], in: graph), tensor.type == weight.type,
      let bias = ChannelValues(tensor, channels: channels)
    else { return nil }
    self.bias = bias
    ownBias = uses.isReadOnce(producer.inputs[2]) ? producer.inputs[2] : nil
  }

  private static func channels(of node: Node, _ weight: Shape) -> Int? {
    switch node.op {
    case "Conv" where weight.rank >= 3: return weight[0]
    case "ConvTranspose" where weight.rank >= 3:
      let (channels, isTooLarge) = weight[1].multipliedReportingOverflow(
        by: node.attributes.int("group") ?? 1)
      return isTooLarge ? nil : channels
    case "Gemm" where weight.rank == 2: return weight[(node.attributes.int("transB") ?? 0) != 0 ? 0 : 1]
    default: return nil
    }
  }

  /// One number for each channel, which lie on axis 1 of a product of `rank` axes; nil when `tensor` changes along
  /// another axis, or adds one.
  private static func values(_ tensor: Tensor, channels: Int, rank: Int) -> ChannelValues? {
    guard tensor.shape.rank <= rank, let values = tensor.doubles else { return nil }
    if values.count == 1 { return ChannelValues(Array(repeating: values[0], count: channels)) }
    let axis = tensor.shape.rank - (rank - 1)
    guard axis >= 0, tensor.shape[axis] == channels, values.count == channels else { return nil }
    return ChannelValues(values)
  }

  func record(in patch: inout GraphPatch, _ graph: Graph) throws(GraphError) {
    var merged = graph.nodes[product]
    let result = graph.nodes[node].outputs[0]
    let name = graph[merged.inputs[1]].name
    if isFactor { patch.setConstant(merged.inputs[1], layout.scaled(weight, by: values.values)) }
    let added = bias.map { bias in bias.values.map { layout.beta * $0 } }
    var sums = added ?? Array(repeating: 0, count: values.count)
    for channel in sums.indices {
      if isFactor { sums[channel] *= values.values[channel] } else { sums[channel] += values.values[channel] }
    }
    if added != nil || !isFactor {
      let tensor = try ChannelValues(sums).tensor(of: weight.type)
      merged.inputs = Array(merged.inputs.prefix(2)) + [patch.constant(ownBias, "\(name)_bias", tensor)]
      if layout.kind == .gemm { merged.attributes["beta"] = nil }
    }
    merged.outputs = [result]
    patch.replace(product, with: merged)
    patch.remove(node)
  }
}
