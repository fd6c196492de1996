/// Removes weights, or whole channels and heads.
public struct PruneStep: Sendable, Equatable {
  public enum Method: String, Sendable, CaseIterable {
    /// The smallest |w| first; of channels and heads, `l2`.
    case magnitude
    /// Every |w| < `epsilon`.
    case threshold
    /// A seeded choice: the baseline that any method must beat.
    case random
    /// The smallest |w|·√E[x²] of each output first: Sun et al., Wanda (2023).
    case wanda
    /// The smallest error of the layer's output, with an update of the weights that stay: Frantar and Alistarh,
    /// SparseGPT (2023).
    case obs
    /// The least mean + spread of the importance over parts of the data.
    case stability
    /// Channels of the least E[h²]·‖w_next‖²; for structures channel and head.
    case activationEnergy = "activation_energy"
    /// Channels of the least ‖w‖²; for structures channel and head.
    case l2
  }

  public enum Structure: String, Sendable, CaseIterable {
    /// Single weights.
    case unstructured
    /// Two of any four inputs of an output stay.
    case twoOfFour = "2:4"
    /// Four of any eight.
    case fourOfEight = "4:8"
    /// One input × 16 outputs together.
    case block1x16 = "block:1x16"
    /// Four outputs × one input together.
    case block4x1 = "block:4x1"
    /// Output channels or neurons with all that belongs to them.
    case channel
    /// Attention heads.
    case head

    /// True where tensors get smaller instead of holding zeros.
    public var isDense: Bool { self == .channel || self == .head }
    /// True for patterns that have a sparsity of their own, one half.
    var isPattern: Bool { self == .twoOfFour || self == .fourOfEight }
  }

  public enum Scope: String, Sendable, CaseIterable {
    /// Every layer gets the same sparsity.
    case layer
    /// One ranking over all layers.
    case global
    /// Small layers stay denser: Erdős–Rényi kernel.
    case erk
  }

  public enum Repair: String, Sendable, CaseIterable {
    /// What improves the agreement on the calibration data most of least_squares (unless the model is large), bias and
    /// none.
    case auto
    case none
    /// The weights that stay, or those that read removed channels, are fitted to the layer's outputs.
    case leastSquares = "least_squares"
    /// Biases take up the mean of what the removed weights contributed.
    case bias
  }

  public var method: Method = .magnitude
  /// The fraction of weights to zero or channels to remove; nil for `threshold`.
  public var sparsity: Double?
  /// Only for `threshold`.
  public var epsilon: Double?
  public var structure: Structure = .unstructured
  public var scope: Scope = .layer
  public var repair: Repair = .auto
  public var selection = LayerSelection()

  public init(sparsity: Double) { self.sparsity = sparsity }
  public init(epsilon: Double) {
    self.method = .threshold
    self.epsilon = epsilon
  }
}

extension PruneStep: RecipeStep {
  static let name = "prune"

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path,
      allowed: ["method", "sparsity", "epsilon", "structure", "scope", "repair"] + LayerSelection.members)
    structure = try members.choice("structure", Structure.self) ?? .unstructured
    let natural: Method = structure.isDense ? .activationEnergy : .magnitude
    method = try members.choice("method", Method.self) ?? natural
    if structure.isDense && method == .magnitude { method = .l2 }
    sparsity = try members.number("sparsity", in: 0...1)
    epsilon = try members.number("epsilon", in: 0...Double(Float.greatestFiniteMagnitude))
    scope = try members.choice("scope", Scope.self) ?? .layer
    repair = try members.choice("repair", Repair.self) ?? .auto
    selection = try LayerSelection(members)
    try check(path)
  }

  private mutating func check(_ path: String) throws(CompressionError) {
    if method == .threshold {
      if epsilon == nil { throw .recipe("\(path).epsilon: is required by method threshold") }
      if sparsity != nil { throw .recipe("\(path).sparsity: is not used by method threshold; give epsilon") }
      if structure != .unstructured {
        throw .recipe("\(path).structure: method threshold removes single weights; use unstructured")
      }
    } else if epsilon != nil {
      throw .recipe("\(path).epsilon: is only used by method threshold")
    } else if structure.isPattern {
      if let sparsity, sparsity != 0.5 {
        throw .recipe("\(path).sparsity: structure \(structure.rawValue) removes one half; leave it out")
      }
      sparsity = 0.5
    } else if sparsity == nil {
      throw .recipe("\(path).sparsity: is required by method \(method.rawValue)")
    }
    let ranksChannels = method == .activationEnergy || method == .l2
    if structure.isDense && !ranksChannels {
      throw .recipe("\(path).method: structure \(structure.rawValue) takes activation_energy, magnitude, l2")
    }
    if !structure.isDense && ranksChannels {
      throw .recipe("\(path).method: '\(method.rawValue)' belongs to structure channel or head")
    }
    if structure.isDense && scope == .erk {
      throw .recipe("\(path).scope: structure \(structure.rawValue) takes layer, global")
    }
  }

  var label: String { sparsity.map { "pruned\(Int(($0 * 100).rounded()))" } ?? "pruned" }

  var json: JSONValue {
    .members(
      [
        "method": .string(method.rawValue),
        "sparsity": structure.isPattern ? nil : sparsity.map(JSONValue.number),
        "epsilon": epsilon.map(JSONValue.number), "structure": .string(structure.rawValue),
        "scope": .string(scope.rawValue), "repair": .string(repair.rawValue),
      ], selection)
  }
}
