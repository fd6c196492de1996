import Tensors

extension Passes {
  /// A BatchNormalization after a Conv, ConvTranspose, Gemm or MatMul + Add moves into their weights and bias:
  /// `scale * (W x + b - mean) / sqrt(variance + epsilon) + shift` is linear in `W` and `b`.
  ///
  /// Needs constant float32 or float64 parameters and weights, and that nobody else reads the product.
  public static func foldBatchNormalization(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      var changes = 0
      while true {
        let foldings = BatchNormalizationFolding.independent(in: graph)
        if foldings.isEmpty { return changes }
        var patch = GraphPatch("fold BatchNormalization", for: graph)
        for folding in foldings { try folding.record(in: &patch, graph) }
        try patch.apply(to: &graph)
        changes += foldings.count
      }
    }
  }
}

private struct BatchNormalizationFolding {
  let normalization: Int
  let product: Int
  /// The Add between a MatMul and the normalization.
  let addition: Int?
  let weight: Tensor
  let bias: ChannelValues?
  /// Weight and bias, when nobody else reads them: they keep their names.
  let ownWeight: ValueID?
  let ownBias: ValueID?
  let affine: ChannelAffine
  let layout: ChannelLayout

  /// Foldings that no other one changes the nodes or constants of. The others are found once these are made, which
  /// changes who reads what.
  static func independent(in graph: Graph) -> [BatchNormalizationFolding] {
    let uses = GraphUses(graph)
    var constants: Set<ValueID> = []
    var foldings: [BatchNormalizationFolding] = []
    for (index, node) in graph.nodes.enumerated() where node.op == "BatchNormalization" {
      guard let folding = BatchNormalizationFolding(graph, uses, index) else { continue }
      let own = folding.constants(in: graph)
      if !constants.isDisjoint(with: own) { continue }
      constants.formUnion(own)
      foldings.append(folding)
    }
    return foldings
  }

  /// The constants that the product and the Add behind it read.
  private func constants(in graph: Graph) -> [ValueID] {
    let nodes = [graph.nodes[product]] + (addition.map { [graph.nodes[$0]] } ?? [])
    return nodes.flatMap(\.inputs).filter { !$0.isNone && graph[$0].constant != nil }
  }

  private init?(_ graph: Graph, _ uses: GraphUses, _ index: Int) {
    let node = graph.nodes[index]
    guard let affine = ChannelAffine(node, graph, uses) else { return nil }
    self.affine = affine
    normalization = index
    guard var source = uses.writer(of: node.inputs[0]), uses.isReadOnce(node.inputs[0]) else { return nil }
    var addedBias: ValueID?
    if graph.nodes[source].op == "Add" {
      guard let split = Self.matMulBehind(source, graph, uses) else { return nil }
      addition = source
      addedBias = split.bias
      source = split.product
    } else {
      addition = nil
    }
    product = source
    let producer = graph.nodes[source]
    guard producer.inputs.count > 1, let weight = uses.constant(producer.inputs[1], in: graph),
      let layout = ChannelLayout(
        producer, weight: weight, channels: affine.scale.count, hasAddition: addition != nil)
    else { return nil }
    if producer.op == "MatMul" && addition == nil
      && graph[producer.outputs[0]].type?.tensor?.dimensions?.count != 2
    {
      return nil
    }
    self.weight = weight
    self.layout = layout
    ownWeight = uses.isReadOnce(producer.inputs[1]) ? producer.inputs[1] : nil
    let biasID = addedBias ?? (producer.hasInput(2) ? producer.inputs[2] : nil)
    ownBias = biasID.flatMap { uses.isReadOnce($0) ? $0 : nil }
    guard let biasID else {
      bias = nil
      return
    }
    guard let tensor = uses.constant(biasID, in: graph),
      let values = ChannelValues(tensor, channels: affine.scale.count)
    else { return nil }
    bias = values
  }

  /// The MatMul of two rank-2 tensors and the constant that node `index` adds to it.
  private static func matMulBehind(
    _ index: Int, _ graph: Graph, _ uses: GraphUses
  ) -> (product: Int, bias: ValueID)? {
    let inputs = graph.nodes[index].inputs
    guard inputs.count == 2 else { return nil }
    for (product, bias) in [(inputs[0], inputs[1]), (inputs[1], inputs[0])] {
      guard let writer = uses.writer(of: product), graph.nodes[writer].op == "MatMul",
        uses.isReadOnce(product),
        uses.constant(bias, in: graph) != nil, graph[product].type?.tensor?.dimensions?.count == 2
      else { continue }
      return (writer, bias)
    }
    return nil
  }

  func record(in patch: inout GraphPatch, _ graph: Graph) throws(GraphError) {
    let result = graph.nodes[normalization].outputs[0]
    var merged = graph.nodes[product]
    let weightName = graph[merged.inputs[1]].name
    let added = bias.map { $0.values.map { layout.beta * $0 } }
    let shift = try ChannelValues(affine.shift(after: added)).tensor(of: weight.type)
    merged.inputs[1] = patch.constant(ownWeight, weightName, layout.scaled(weight, by: affine.scale))
    let biasID = patch.constant(ownBias, "\(weightName)_bias", shift)
    if layout.kind == .matMul {
      let name = graph.nodes[addition ?? normalization].name
      let sum = Node(name: name, op: "Add", inputs: [merged.outputs[0], biasID], outputs: [result])
      patch.replace(product, with: merged)
      patch.replace(normalization, with: sum)
      if let addition { patch.remove(addition) }
    } else {
      merged.inputs = Array(merged.inputs.prefix(2)) + [biasID]
      merged.outputs = [result]
      if layout.kind == .gemm { merged.attributes["beta"] = nil }
      patch.replace(product, with: merged)
      patch.remove(normalization)
    }
  }
}
