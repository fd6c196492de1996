/// Balances the ranges of neighbouring layers' weights without changing what the model computes: Nagel et al.,
/// "Data-free quantization through weight equalization and bias correction" (2019).
public struct EqualizeStep: Sendable, Equatable {
  public var selection = LayerSelection()

  public init() {}
}

extension EqualizeStep: RecipeStep {
  static let name = "equalize"

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(json, path: path, allowed: LayerSelection.members)
    selection = try LayerSelection(members)
  }

  var label: String { "equalized" }

  var json: JSONValue { .members([:], selection) }
}
