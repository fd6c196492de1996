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

  static func offers(for layer: WeightLayer) -> [Offer] {
    all.filter { offer in
      switch offer.suits {
      case .all: !isGroupedTransposition(layer)
      case .products: layer.isProduct
      case .matrices: layer.isProduct && !layer.isConvolution
      }
    }
  }

  /// A grouped ConvTranspose has no axis of output channels.
  private static func isGroupedTransposition(_ layer: WeightLayer) -> Bool {
    if case .convTranspose(let groups) = layer.kind { groups != 1 } else { false }
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
