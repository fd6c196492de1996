/// `Gelu`: the exact form by erf, or the tanh approximation.
public struct GeluAttributes: Sendable {
  public enum Approximation: String, CaseIterable, Sendable { case none, tanh }
  public let approximation: Approximation

  public init(_ node: Node) throws(GraphError) {
    approximation = try node.choice("approximate", default: .none)
  }
}

/// `BitShift`.
public struct BitShiftAttributes: Sendable {
  public enum Direction: String, CaseIterable, Sendable {
    case left = "LEFT"
    case right = "RIGHT"
  }
  public let direction: Direction

  public init(_ node: Node) throws(GraphError) {
    guard let text = try node.optionalString("direction"), let value = Direction(rawValue: text) else {
      throw node.error("attribute 'direction' must be LEFT or RIGHT")
    }
    direction = value
  }
}

/// `Mod`: the sign follows the divisor (integers) or, with `fmod`, the dividend.
public struct ModAttributes: Sendable {
  public let isFmod: Bool

  public init(_ node: Node) throws(GraphError) { isFmod = try node.flag("fmod") }
}

/// `IsInf`.
public struct IsInfAttributes: Sendable {
  public let detectNegative: Bool
  public let detectPositive: Bool

  public init(_ node: Node) throws(GraphError) {
    detectNegative = try node.flag("detect_negative", default: true)
    detectPositive = try node.flag("detect_positive", default: true)
  }
}

/// `Shrink`.
public struct ShrinkAttributes: Sendable {
  public let bias: Float
  public let lambda: Float

  public init(_ node: Node) throws(GraphError) {
    bias = try node.float("bias", default: 0)
    lambda = try node.float("lambd", default: 0.5)
  }
}

/// The numbers of LeakyRelu, Elu, Celu, Selu, ThresholdedRelu, HardSigmoid and Swish.
/// A number that the operator does not have is 0.
public struct ActivationAttributes: Sendable {
  public let alpha: Float
  public let beta: Float
  public let gamma: Float

  public init(_ node: Node) throws(GraphError) {
    let defaults: (alpha: Float, beta: Float, gamma: Float) =
      switch node.op.type {
      case "LeakyRelu": (0.01, 0, 0)
      case "Selu": (1.67326319217681884765625, 0, 1.05070102214813232421875)
      case "HardSigmoid": (0.2, 0.5, 0)
      default: (1, 0, 0)
      }
    alpha = try node.float("alpha", default: defaults.alpha)
    beta = try node.float("beta", default: defaults.beta)
    gamma = try node.float("gamma", default: defaults.gamma)
  }
}
