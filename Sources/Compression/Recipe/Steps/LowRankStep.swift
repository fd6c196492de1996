/// Replaces weights by products of smaller ones.
public struct LowRankStep: Sendable, Equatable {
  public enum Method: String, Sendable, CaseIterable {
    /// The least error of the layers' outputs on the calibration data; `svd` without data.
    case activationSVD = "activation_svd"
    /// The least error of the weights: Eckart and Young (1936).
    case svd
  }

  public var method: Method = .activationSVD
  /// The fraction of the parameters of the selected layers that stays, 0…1; nil where `energy` decides.
  public var parameters: Double?
  /// The fraction of each layer's squared singular values that stays, 0…1.
  public var energy: Double?
  public var selection = LayerSelection()

  public init(parameters: Double) { self.parameters = parameters }
  public init(energy: Double) { self.energy = energy }
}

extension LowRankStep: RecipeStep {
  static let name = "low_rank"

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path, allowed: ["method", "parameters", "energy"] + LayerSelection.members)
    method = try members.choice("method", Method.self) ?? .activationSVD
    parameters = try members.number("parameters", in: 0...1)
    energy = try members.number("energy", in: 0...1)
    selection = try LayerSelection(members)
    if (parameters == nil) == (energy == nil) {
      throw .recipe("\(path): must have exactly one member of parameters, energy")
    }
  }

  var label: String {
    let percent = Int(((parameters ?? energy ?? 1) * 100).rounded())
    return parameters == nil ? "lowrank-energy\(percent)" : "lowrank\(percent)"
  }

  var json: JSONValue {
    .members(
      [
        "method": .string(method.rawValue), "parameters": parameters.map(JSONValue.number),
        "energy": energy.map(JSONValue.number),
      ], selection)
  }
}
