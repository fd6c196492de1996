/// Joins the model with another one of the same task.
public struct MergeStep: Sendable, Equatable {
  public enum Mode: String, Sendable, CaseIterable {
    /// θ = θ₀ + alpha (θ₁ − θ₀): Wortsman et al., "Model soups" (2022).
    case weights
    /// Both run, and their outputs are averaged by `alpha`.
    case outputs
  }

  /// The other model: `name` or `name/version`.
  public var model: String
  /// How much of the other model, 0…1.
  public var alpha = 0.5
  public var mode: Mode = .weights
  public var selection = LayerSelection()

  public init(model: String) { self.model = model }
}

extension MergeStep: RecipeStep {
  static let name = "merge"

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path, allowed: ["model", "alpha", "mode"] + LayerSelection.members)
    self.init(model: try members.requiredString("model"))
    alpha = try members.number("alpha", in: 0...1) ?? 0.5
    mode = try members.choice("mode", Mode.self) ?? .weights
    selection = try LayerSelection(members)
    if mode == .outputs, selection != LayerSelection() {
      throw .recipe("\(path).mode: outputs joins whole models; leave out layers and exclude")
    }
  }

  var label: String { mode == .weights ? "merged" : "ensemble" }

  var json: JSONValue {
    .members(
      ["model": .string(model), "alpha": .number(alpha), "mode": .string(mode.rawValue)], selection)
  }
}
