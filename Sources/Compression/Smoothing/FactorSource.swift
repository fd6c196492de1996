import GraphIR
import Tensors

/// What computes a value and can divide each of its channels by a factor of its own at no cost: the scale and shift of
/// a normalization, a Mul or Add of constants, or a layer's weight and bias.
struct FactorSource {
  /// The inputs of nodes that hold constants with a number for each channel, or one for all.
  private(set) var vectors: [GraphIndex.Use] = []
  /// The layer whose output channels take the factors, by its position in the list of layers.
  private(set) var layer: Int?

  enum Finding {
    case source(FactorSource)
    /// Why there is none.
    case none(String)
  }

  /// Channels on the last axis, or before the axes of an image.
  private let channels: Int
  private let channelsFromEnd: Int
  private let layers: [WeightLayer]
  private let graph: Graph
  private let index: GraphIndex

  /// Where the channels of normalizations have their scale and shift.
  private static let normalizations: [OperatorName: [Int]] = [
    "LayerNormalization": [1, 2], "RMSNormalization": [1], "InstanceNormalization": [1, 2],
    "BatchNormalization": [1, 2],
  ]

  /// Those whose scale lies on the last axis; the others have channels on axis 1.
  private static let normalizesLastAxis: Set<OperatorName> = ["LayerNormalization", "RMSNormalization"]

  /// Looks backwards from `value`, which only takers of the factors read.
  /// - Parameters:
  ///   - channelsFromEnd: how many axes follow that of the channels.
  ///   - layers: all of the main graph's products.
  static func find(
    _ value: ValueID, channels: Int, channelsFromEnd: Int, _ layers: [WeightLayer], _ graph: Graph,
    _ index: GraphIndex
  ) -> Finding {
    var source = FactorSource(
      channels: channels, channelsFromEnd: channelsFromEnd, layers: layers, graph: graph, index: index)
    if let obstacle = source.walk(value) { return .none(obstacle) }
    return .source(source)
  }

  private init(
    channels: Int, channelsFromEnd: Int, layers: [WeightLayer], graph: Graph, index: GraphIndex
  ) {
    self.channels = channels
    self.channelsFromEnd = channelsFromEnd
    self.layers = layers
    self.graph = graph
    self.index = index
  }

  /// Follows what `value` is made of up to what takes the factors; returns the obstacle where nothing does.
  private mutating func walk(_ value: ValueID) -> String? {
    guard let producer = index.producers[value] else { return "its input is the model's" }
    if let position = layers.firstIndex(where: { $0.output == value }) { return take(layer: position) }
    let node = graph.nodes[producer]
    if let positions = Self.normalizations[node.op] {
      guard node.outputs[0] == value, Self.normalizesLastAxis.contains(node.op) == (channelsFromEnd == 0)
      else {
        return "\(node.op) before it is over other axes"
      }
      for position in positions where position < node.inputs.count && !node.inputs[position].isNone {
        guard let constant = graph.constant(node.inputs[position]), constant.type == .float32,
          constant.shape.rank == 1, constant.elementCount == channels
        else { return "\(node.op) before it has no constant for each channel" }
        vectors.append(GraphIndex.Use(node: producer, position: position))
      }
      return nil
    }
    switch node.op {
    case "Mul": return walk(product: producer)
    case "Add": return walk(sum: producer)
    case "Reshape" where channelsFromEnd == 0:
      guard let merged = AttentionValues.source(ofReshape: producer, channels: channels, graph, index) else {
        return "Reshape before it does not keep channels"
      }
      return walk(merged)
    case "MaxPool" where channelsFromEnd == 0, "AveragePool" where channelsFromEnd == 0,
      "GlobalAveragePool" where channelsFromEnd == 0, "GlobalMaxPool" where channelsFromEnd == 0:
      return "\(node.op) before it mixes channels"
    case let op where EqualizedPair.homogeneous.contains(op) && node.outputs[0] == value:
      return walk(onlyRead: node.inputs[0], op)
    case let op: return "\(op) before it does not keep factors"
    }
  }

  private mutating func walk(onlyRead value: ValueID, _ reader: OperatorName) -> String? {
    if index.onlyUse(of: value) == nil { return "what \(reader) before it reads has other readers" }
    return walk(value)
  }

  private mutating func walk(product node: Int) -> String? {
    let inputs = graph.nodes[node].inputs
    for (position, input) in inputs.enumerated() {
      guard let constant = graph.constant(input) else { continue }
      if isVector(constant) {
        vectors.append(GraphIndex.Use(node: node, position: position))
        return nil
      }
      // One number for all channels changes nothing.
      if constant.elementCount == 1 { return walk(onlyRead: inputs[1 - position], "Mul") }
      return "Mul before it has no constant for each channel"
    }
    // Either factor may take them, as in gated units.
    var obstacle: String?
    for input in inputs {
      var attempt = self
      obstacle = attempt.walk(onlyRead: input, "Mul")
      if obstacle == nil {
        self = attempt
        return nil
      }
    }
    return obstacle
  }

  private mutating func walk(sum node: Int) -> String? {
    let inputs = graph.nodes[node].inputs
    for (position, input) in inputs.enumerated() {
      guard let constant = graph.constant(input) else { continue }
      guard isVector(constant) else { return "Add before it does not keep factors" }
      vectors.append(GraphIndex.Use(node: node, position: position))
      return walk(onlyRead: inputs[1 - position], "Add")
    }
    return "Add before it joins two computed tensors"
  }

  private mutating func take(layer position: Int) -> String? {
    let layer = layers[position]
    let spatial = layer.isConvolution ? layer.shape.rank - 2 : 0
    guard layer.equalizedOutputs == channels, spatial == channelsFromEnd else {
      return "'\(layer.name)' before it has other channels"
    }
    if index.uses[layer.weight]?.count != 1 { return "'\(layer.name)' before it shares its weight" }
    if layer.bias != nil {
      guard case .vector = LayerBias.form(of: layer, in: graph) else {
        return "'\(layer.name)' before it has a bias that is no constant for each channel"
      }
      vectors.append(GraphIndex.Use(node: layer.node, position: 2))
    }
    self.layer = position
    return nil
  }

  /// One number for each channel, on the axis of the channels.
  private func isVector(_ constant: Tensor) -> Bool {
    let axis = constant.shape.rank - 1 - channelsFromEnd
    return constant.type == .float32 && constant.elementCount == channels && axis >= 0
      && constant.shape[axis] == channels
  }
}

/// The values of an attention, whose channels reach the layer behind it in their order: each head mixes positions
/// only.
enum AttentionValues {
  /// - Parameter node: a Reshape that joins the heads.
  /// - Returns: what the other Reshape splits into heads; nil for any other pattern than
  ///   Reshape, Transpose, MatMul, Transpose, Reshape, each read by the next alone.
  static func source(
    ofReshape node: Int, channels: Int, _ graph: Graph, _ index: GraphIndex
  ) -> ValueID? {
    guard let joined = exchanged(graph.nodes[node].inputs[0], graph, index),
      let product = producer(of: joined, "MatMul", graph, index),
      let values = exchanged(graph.nodes[product].inputs[1], graph, index),
      let split = producer(of: values, "Reshape", graph, index),
      let shape = graph.constant(graph.nodes[split].inputs[1]), shape.type == .int64, shape.elementCount == 4
    else { return nil }
    let extents = shape.array(of: Int64.self)
    guard extents[2] > 0, extents[3] > 0, extents[2] <= Int64(channels),
      extents[3] <= Int64(channels), extents[2] * extents[3] == Int64(channels)
    else { return nil }
    let source = graph.nodes[split].inputs[0]
    return index.onlyUse(of: source) == nil ? nil : source
  }

  /// What a Transpose of the two middle axes, which makes `value`, reads.
  private static func exchanged(_ value: ValueID, _ graph: Graph, _ index: GraphIndex) -> ValueID? {
    guard let node = producer(of: value, "Transpose", graph, index),
      graph.nodes[node].attributes.ints("perm") == [0, 2, 1, 3]
    else { return nil }
    return graph.nodes[node].inputs[0]
  }

  private static func producer(
    of value: ValueID, _ op: OperatorName, _ graph: Graph, _ index: GraphIndex
  ) -> Int? {
    guard index.onlyUse(of: value) != nil, let node = index.producers[value], graph.nodes[node].op == op
    else { return nil }
    return node
  }
}
