import GraphIR
import Tensors

/// Two layers of which the second alone reads the first, through operators that keep positive factors: an output
/// channel of the first may be divided by what the same input channel of the second is multiplied with.
struct EqualizedPair {
  /// Positions in the list of layers.
  var first, second: Int
  var channels: Int
  /// The node and input that hold the first layer's constant bias; nil when it has none.
  var bias: GraphIndex.Use?

  /// f(s x) = s f(x) for s > 0, on every channel by itself.
  static let homogeneous: Set<OperatorName> = [
    "Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity",
    "Dropout",
  ]

  enum Finding {
    case pair(EqualizedPair)
    /// Why the layer has no partner behind it.
    case none(String)
  }

  /// Follows what `layers[first]` gives to the one layer that reads it.
  static func find(_ first: Int, _ layers: [WeightLayer], _ graph: Graph, _ index: GraphIndex) -> Finding {
    let layer = layers[first]
    guard let channels = layer.equalizedOutputs else {
      return .none("its weight is a stack or a grouped transposed convolution")
    }
    var value = layer.output
    var bias: GraphIndex.Use?
    if layer.bias != nil {
      guard case .vector = LayerBias.form(of: layer, in: graph) else {
        return .none("its bias is no constant for each channel")
      }
      bias = GraphIndex.Use(node: layer.node, position: 2)
    }
    var spread = 1
    while let use = index.onlyUse(of: value) {
      if let second = layers.firstIndex(where: { $0.node == use.node && use.position == 0 }) {
        guard layers[second].inputChannelCount == channels * spread, second != first else { break }
        return .pair(EqualizedPair(first: first, second: second, channels: channels, bias: bias))
      }
      let node = graph.nodes[use.node]
      guard let output = node.outputs.first, !output.isNone else { break }
      switch node.op {
      case "Add" where value == layer.output && bias == nil && !layer.isConvolution:
        guard let constant = graph.constant(node.inputs[1 - use.position]), constant.type == .float32,
          constant.elementCount == channels, constant.shape.dimensions.last == channels
        else { return .none("what is added behind it is no constant for each channel") }
        bias = GraphIndex.Use(node: use.node, position: 1 - use.position)
      case "Flatten" where node.attributes.int("axis") ?? 1 == 1 && layer.isConvolution:
        guard let next = index.onlyUse(of: output),
          let second = layers.first(where: { $0.node == next.node }),
          let inputs = second.inputChannelCount, inputs % channels == 0
        else { return .none("what follows its Flatten is no layer") }
        spread = inputs / channels
      case let op where homogeneous.contains(op) && use.position == 0: break
      case let op: return .none("\(op) behind it does not keep factors")
      }
      value = output
    }
    return .none("its result has more than one reader, or another one than a layer")
  }
}

extension WeightLayer {
  /// Output channels that can have factors of their own; nil for kinds that have none.
  var equalizedOutputs: Int? {
    switch kind {
    case .matMul: shape.rank == 2 ? outputChannels : nil
    case .gemm, .conv: outputChannels
    case .convTranspose(let groups): groups == 1 ? outputChannels : nil
    case .table, .recurrent: nil
    }
  }

  /// Numbers that the layer reads for one output position and tap; nil for kinds that are no single product.
  var inputChannelCount: Int? {
    switch kind {
    case .matMul: shape.rank == 2 ? shape[0] : nil
    case .gemm(let isTransposed): shape[isTransposed ? 1 : 0]
    case .conv(let groups): shape[1] * groups
    case .convTranspose: shape[0]
    case .table, .recurrent: nil
    }
  }

  /// The input channel that an element of the weight multiplies.
  func inputChannel(ofElement element: Int) -> Int {
    switch kind {
    case .matMul, .gemm(isTransposed: false): return element / shape[1]
    case .gemm(isTransposed: true): return element % shape[1]
    case .conv(let groups):
      let output = element / max(shape.product(1..<shape.rank), 1)
      let inGroup = element / max(shape.product(2..<shape.rank), 1) % shape[1]
      return output / max(shape[0] / max(groups, 1), 1) * shape[1] + inGroup
    case .convTranspose: return element / max(shape.product(1..<shape.rank), 1)
    case .table, .recurrent: return 0
    }
  }
}
