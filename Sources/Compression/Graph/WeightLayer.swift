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
    /// A table `[rows, width]`; a channel is a row.
    case table
    /// LSTM, GRU or RNN: `[directions, gates · hidden, inputs]`.
    case recurrent(Recurrent)
  }

  /// Which of the weights of a recurrent layer.
  enum Recurrent { case input, recurrence }

  /// The graph that the layer is in.
  var path = GraphPath()
  /// The same by names of values, which no step changes: part of the layer's key.
  var nesting = ""
  /// Where the weight stands among the node's inputs.
  var input = 1

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
    case .matMul, .gemm, .table, .recurrent: false
    }
  }

  /// True for kinds that multiply: what activations can be quantized for, and what can be pruned or factorised.
  var isProduct: Bool {
    switch kind {
    case .matMul, .gemm, .conv, .convTranspose: true
    case .table, .recurrent: false
    }
  }

  /// Why most steps leave the layer alone; nil for products of the main graph.
  var restriction: String? {
    if !path.steps.isEmpty {
      return "inside a body of If, Loop or Scan; only quantize with activations none takes it"
    }
    return isProduct ? nil : "the weights of \(op) are only taken by quantize with activations none"
  }

  /// Multiplications for each element of the layer's output; for a transposed convolution, of its input.
  var multipliesPerElement: Int {
    switch kind {
    case .convTranspose: matrix.columns
    case .matMul, .gemm, .conv: matrix.depth
    case .table: 0
    case .recurrent: matrix.depth * (op == "LSTM" ? 4 : op == "GRU" ? 3 : 1)
    }
  }

  /// - Parameter graph: the one that the layer is in.
  func key(in graph: Graph) -> LayerKey {
    let suffix = if case .recurrent(.recurrence) = kind { "#R" } else { "" }
    // Nodes without any output have no other name than their own.
    return LayerKey(text: nesting + (output.isNone ? name : graph[output].name) + suffix)
  }

  /// Where a row's inputs lie that an output sums over; nil where several axes are, as in convolutions.
  var depthAxis: Int? {
    switch kind {
    case .matMul: shape.rank - 2
    case .gemm(let isTransposed): isTransposed ? 1 : 0
    case .conv, .convTranspose: nil
    case .table: shape.rank == 2 ? 1 : nil
    case .recurrent: 2
    }
  }

  var weightAxes: WeightAxes { WeightAxes(channel: outputAxis, depth: depthAxis) }

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
    case .convTranspose, .recurrent: 1
    case .table: 0
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
