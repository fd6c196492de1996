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

extension GraphPatch {
  /// Puts `tensor` into `value`, or into a new value called `name` when there is none.
  fileprivate mutating func constant(_ value: ValueID?, _ name: String, _ tensor: Tensor) -> ValueID {
    guard let value else { return addConstant(name, tensor) }
    setConstant(value, tensor)
    return value
  }
}

extension GraphUses {
  fileprivate func isReadOnce(_ id: ValueID) -> Bool { readCount(of: id) == 1 && !isOutput(id) }
}

/// One number for each channel, in double precision.
private struct ChannelValues {
  var values: [Double]
  var count: Int { values.count }

  init(_ values: [Double]) { self.values = values }

  /// Takes `[channels]`, `[1, channels]` or a single element.
  init?(_ tensor: Tensor, channels: Int) {
    guard let values = tensor.doubles else { return nil }
    let isRow = tensor.shape.rank <= 1 || tensor.shape.product(0..<(tensor.shape.rank - 1)) == 1
    if values.count == 1 {
      self.values = Array(repeating: values[0], count: channels)
    } else if values.count == channels && isRow {
      self.values = values
    } else {
      return nil
    }
  }

  func tensor(of type: ElementType) throws(GraphError) -> Tensor {
    do {
      if type == .float64 { return try Tensor(shape: [count], values) }
      return try Tensor(shape: [count], values.map { Float($0) })
    } catch {
      throw .invalidGraph(reason: "fold BatchNormalization: \(error)")
    }
  }
}

/// Where the output channels lie in a weight.
private struct ChannelLayout {
  enum Kind { case convolution, transposedConvolution, gemm, matMul }
  let kind: Kind
  /// What a Gemm multiplies its bias with; 1 for the others.
  let beta: Double
  private let channelOf: (Int) -> Int

  init?(_ node: Node, weight: Tensor, channels: Int, hasAddition: Bool) {
    guard weight.type == .float32 || weight.type == .float64, node.op.domain.isEmpty, channels > 0 else {
      return nil
    }
    let shape = weight.shape
    var beta = 1.0
    switch node.op.type {
    case "Conv" where shape.rank >= 3 && shape[0] == channels && !hasAddition:
      kind = .convolution
      let step = shape.product(1..<shape.rank)
      channelOf = { $0 / step }
    case "ConvTranspose" where shape.rank >= 3 && !hasAddition:
      let group = node.attributes.int("group") ?? 1
      guard group > 0, shape[0] % group == 0, shape[0] > 0, shape[1] * group == channels else { return nil }
      kind = .transposedConvolution
      let perGroup = shape[1]
      let step = shape.product(2..<shape.rank)
      let rowsPerGroup = shape[0] / group
      channelOf = { index in
        let row = index / (step * perGroup)
        return row / rowsPerGroup * perGroup + index / step % perGroup
      }
    case "Gemm" where shape.rank == 2 && !hasAddition:
      let isTransposed = (node.attributes.int("transB") ?? 0) != 0
      guard shape[isTransposed ? 0 : 1] == channels else { return nil }
      kind = .gemm
      beta = Double(node.attributes.float("beta") ?? 1)
      let columns = shape[1]
      channelOf = isTransposed ? { $0 / columns } : { $0 % columns }
    case "MatMul" where shape.rank == 2 && shape[1] == channels:
      kind = .matMul
      channelOf = { $0 % channels }
    default: return nil
    }
    self.beta = beta
  }

  /// `weight` with every element multiplied by its channel's factor.
  func scaled(_ weight: Tensor, by factors: [Double]) -> Tensor {
    var result = weight
    if weight.type == .float64 {
      result.withMutableElements(Double.self) { elements in
        for index in elements.indices { elements[index] *= factors[channelOf(index)] }
      }
    } else {
      result.withMutableElements(Float.self) { elements in
        for index in elements.indices {
          elements[index] = Float(Double(elements[index]) * factors[channelOf(index)])
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// The elements of a float32 or float64 tensor; nil for other types.
  var doubles: [Double]? {
    switch type {
    case .float32: array(of: Float.self).map(Double.init)
    case .float64: array(of: Double.self)
    default: nil
    }
  }
}
