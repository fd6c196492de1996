import GraphIR
import Tensors

/// A node that multiplies activations with a constant weight: what the methods work on.
struct WeightLayer {
  enum Kind {
    /// `[K, N]`, or a stack of such matrices.
    case matMul
    /// `[K, N]`, or `[N, K]` when transposed.
    case gemm(isTransposed: Bool)
    /// `[out, in / groups, kernel…]`
    case conv(groups: Int)
    /// `[in, out / groups, kernel…]`
    case convTranspose(groups: Int)
  }

  /// Index in the graph's nodes.
  var node: Int
  /// The node's name, or its output's when it has none.
  var name: String
  var op: OperatorName
  var kind: Kind
  var activation: ValueID
  var weight: ValueID
  var bias: ValueID?
  var output: ValueID
  var weights: Tensor
  /// Gemm's factor of the product; 1 elsewhere.
  var alpha: Float = 1

  var shape: Shape { weights.shape }

  var isConvolution: Bool {
    switch kind {
    case .conv, .convTranspose: true
    case .matMul, .gemm: false
    }
  }

  /// Every output channel sees one input channel only.
  var isDepthwise: Bool {
    if case .conv(let groups) = kind { groups > 1 && shape.rank > 1 && shape[1] == 1 } else { false }
  }

  /// The axis of the weight that counts output channels.
  var outputAxis: Int {
    switch kind {
    case .matMul: shape.rank - 1
    case .gemm(let isTransposed): isTransposed ? 0 : 1
    case .conv: 0
    case .convTranspose: 1
    }
  }

  var outputChannels: Int { shape[outputAxis] }
}

/// A node that holds weights and that the methods leave alone.
struct UntouchedLayer {
  var name: String
  var op: OperatorName
  var shape: Shape
  var reason: String
}

extension Node {
  /// How reports name the node: by its name, or by its first output's when it has none.
  func label(in graph: Graph) -> String {
    if !name.isEmpty { return name }
    return outputs.first.map { $0.isNone ? op.type : graph[$0].name } ?? op.type
  }
}
