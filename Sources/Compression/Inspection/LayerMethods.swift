import GraphIR

/// Which steps of recipes suit a layer, told from its kind: what `adze inspect` names.
enum LayerMethods {
  /// Named as reports name what was done, or nearly so.
  struct Offer: Sendable {
    var name: String
    /// As recipes spell it.
    var step: Recipe.Step
    fileprivate var suits: Suit
  }

  fileprivate enum Suit {
    /// Everything with a weight.
    case all
    /// Layers that multiply.
    case products
    /// MatMul and Gemm.
    case matrices
  }

  /// - Parameter graph: the one that the layer is in.
  static func offers(for layer: WeightLayer, in graph: Graph) -> [Offer] {
    all.filter { offer in
      let suits =
        switch offer.suits {
        case .all: true
        case .products: layer.isProduct
        case .matrices: layer.isProduct && !layer.isConvolution
        }
      if !suits { return false }
      switch offer.step {
      case .quantize(let step): return step.obstacle(layer, graph) == nil
      case .lowRank: return layer.restriction == nil && LowRankCandidate.obstacle(layer) == nil
      default: return layer.restriction == nil
      }
    }
  }

  /// Those that this version takes.
  private static let all: [Offer] = candidates.compactMap { name, suits, text in
    guard let json = try? JSONValue.parse(Array(text.utf8)) else { return nil }
    return (try? Recipe.Step(json, path: "step")).map { Offer(name: name, step: $0, suits: suits) }
  }

  private static let candidates: [(String, Suit, String)] =
    [
      ("prune", .products, #"{"prune":{"sparsity":0.5}}"#),
      ("prune obs", .products, #"{"prune":{"sparsity":0.5,"method":"obs"}}"#),
      ("prune 2:4", .products, #"{"prune":{"sparsity":0.5,"structure":"2:4"}}"#),
      ("int8 static", .products, #"{"quantize":{"activations":"static"}}"#),
      ("int8 dynamic", .matrices, #"{"quantize":{"activations":"dynamic"}}"#),
      (
        "int8 dynamic row", .matrices,
        #"{"quantize":{"activations":"dynamic","activation_scale":"row"}}"#
      ),
    ]
    + QuantizeStep.Weights.allCases.map { weights in
      (
        "\(weights.rawValue) weights", .all,
        #"{"quantize":{"activations":"none","weights":"\#(weights.rawValue)"}}"#
      )
    } + [
      (
        "int4 weights in groups", .matrices,
        #"{"quantize":{"activations":"none","weights":"int4","granularity":"group"}}"#
      ),
      ("share_weights", .products, #"{"share_weights":{"clusters":16}}"#),
      ("low_rank", .products, #"{"low_rank":{"parameters":0.5}}"#),
    ]
}
