/// Gives weights the values of a small table: Han et al., "Deep compression" (2016).
public struct ShareWeightsStep: Sendable, Equatable {
  public enum Scope: String, Sendable, CaseIterable {
    /// A table for every weight.
    case tensor
    /// A table for every output channel.
    case channel
  }

  /// Numbers in a table, 2…256.
  public var clusters = 16
  public var scope: Scope = .tensor
  public var selection = LayerSelection()

  public init(clusters: Int = 16) { self.clusters = clusters }
}

extension ShareWeightsStep: RecipeStep {
  static let name = "share_weights"

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path, allowed: ["clusters", "scope"] + LayerSelection.members)
    self.init(clusters: try members.integer("clusters", in: 2...256) ?? 16)
    scope = try members.choice("scope", Scope.self) ?? .tensor
    selection = try LayerSelection(members)
  }

  var label: String { "shared\(clusters)" }

  var json: JSONValue {
    .members(["clusters": .number(Double(clusters)), "scope": .string(scope.rawValue)], selection)
  }
}
