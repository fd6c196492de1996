import GraphIR
import Tensors

/// The bias of a layer as one constant for each output channel.
enum LayerBias {
  /// No bias, or one that is not a constant vector over the output channels: left to the graph as it is.
  enum Form {
    case none
    case vector([Float])
    case other
  }

  /// Gemm's `beta` is already in the vector.
  static func form(of layer: WeightLayer, in graph: Graph) -> Form {
    guard let bias = layer.bias else { return .none }
    guard let constant = graph.constant(bias), constant.type == .float32 else { return .other }
    let beta = graph.nodes[layer.node].attributes.float("beta") ?? 1
    let channels = layer.outputChannels
    let values = constant.array(of: Float.self)
    guard values.allSatisfy(\.isFinite) else { return .other }
    if values.count == channels, constant.shape.dimensions.last == channels {
      return .vector(values.map { $0 * beta })
    }
    if values.count == 1 { return .vector([Float](repeating: values[0] * beta, count: channels)) }
    return .other
  }
}
