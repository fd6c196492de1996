import GraphIR
import Glibc

/// Float functions of one element, in double precision.
enum ScalarFunctions {
  /// The function that `node` applies.
  /// - Throws: `OperatorFailure.unsupported` for an operator without one.
  static func function(_ node: Node) throws -> @Sendable (Double) -> Double {
    if let function = plain[node.op.type] { return function }
    if node.op.type == "Gelu" { return try gelu(node) }
    if node.op.type == "Shrink" { return try shrink(node) }
    if let function = try withNumbers(node) { return function }
    throw OperatorFailure.unsupported("no function computes it")
  }

  private static let plain: [String: @Sendable (Double) -> Double] = [
    "Sqrt": { $0.squareRoot() }, "Reciprocal": { 1 / $0 }, "Floor": { $0.rounded(.down) },
    "Ceil": { $0.rounded(.up) }, "Round": { $0.rounded(.toNearestOrEven) }, "Exp": { exp($0) },
    "Log": { log($0) },
    "Erf": { erf($0) }, "Tanh": { tanh($0) }, "Sigmoid": { 1 / (1 + exp(-$0)) }, "Softplus": softplus,
    "Sin": { sin($0) }, "Cos": { cos($0) }, "Tan": { tan($0) }, "Asin": { asin($0) }, "Acos": { acos($0) },
    "Atan": { atan($0) }, "Sinh": { sinh($0) }, "Cosh": { cosh($0) }, "Asinh": { asinh($0) },
    "Acosh": { acosh($0) }, "Atanh": { atanh($0) }, "Softsign": { $0 / (1 + abs($0)) },
    "Mish": { $0 * tanh(softplus($0)) },
    "HardSwish": { $0 * Double.lesser(Double.greater($0 / 6 + 0.5, 0), 1) },
  ]

  /// log(1 + exp(x)) without overflow.
  @Sendable private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

  private static func gelu(_ node: Node) throws -> @Sendable (Double) -> Double {
    switch try GeluAttributes(node).approximation {
    case .none: return { $0 / 2 * (1 + erf($0 / 2.0.squareRoot())) }
    case .tanh: return { $0 / 2 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
    }
  }

  static func shrink(_ node: Node) throws -> @Sendable (Double) -> Double {
    let attributes = try ShrinkAttributes(node)
    let (bias, limit) = (Double(attributes.bias), Double(attributes.lambda))
    return { $0 < -limit ? $0 + bias : $0 > limit ? $0 - bias : 0 }
  }

  private static func withNumbers(_ node: Node) throws -> (@Sendable (Double) -> Double)? {
    let attributes = try ActivationAttributes(node)
    let (alpha, beta, gamma) = (Double(attributes.alpha), Double(attributes.beta), Double(attributes.gamma))
    switch node.op.type {
    case "LeakyRelu": return { $0 < 0 ? alpha * $0 : $0 }
    case "Elu": return { $0 < 0 ? alpha * expm1($0) : $0 }
    case "Celu": return { $0 < 0 ? alpha * expm1($0 / alpha) : $0 }
    case "Selu": return { gamma * ($0 > 0 ? $0 : alpha * expm1($0)) }
    case "ThresholdedRelu": return { $0 > alpha ? $0 : 0 }
    case "HardSigmoid": return { Double.lesser(Double.greater(alpha * $0 + beta, 0), 1) }
    case "Swish": return { $0 / (1 + exp(-alpha * $0)) }
    default: return nil
    }
  }
}
