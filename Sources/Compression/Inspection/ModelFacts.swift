import GraphIR
import Tensors

/// Which kinds of layers a model has: what a preset and a search decide by.
struct ModelFacts: Sendable, Equatable {
  var hasConvolutions = false
  /// Matrices that activations are multiplied with, which the methods can work on.
  var hasProducts = false
  /// Tables whose rows are looked up or cut out, as embeddings and positions.
  var hasTables = false
  /// Products of two values that are computed, as of queries and keys.
  var hasAttention = false
  /// LSTM, GRU or RNN.
  var hasRecurrence = false

  /// Names of the layers that multiply with a matrix.
  var products: [String] = []

  init(_ model: Model) {
    count(model.graph)
    let scan = LayerScan(model)
    hasTables = scan.storedOnly.contains { if case .table = $0.kind { true } else { false } }
    for layer in scan.layers {
      switch layer.kind {
      case .matMul, .gemm: products.append(layer.name)
      default: continue
      }
    }
    hasProducts = !products.isEmpty
  }

  private mutating func count(_ graph: Graph) {
    for node in graph.nodes {
      for subgraph in node.bodies { count(subgraph) }
      switch node.op {
      case "Conv", "ConvTranspose": hasConvolutions = true
      case "LSTM", "GRU", "RNN": hasRecurrence = true
      case "MatMul", "Gemm":
        let hasWeight = node.inputs.prefix(2).contains { graph.constant($0) != nil }
        hasAttention = hasAttention || !hasWeight
      default: break
      }
    }
  }
}
