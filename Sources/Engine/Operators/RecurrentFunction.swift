import GraphIR
import Glibc

/// An activation of a recurrent operator by its name, with its parameters.
struct RecurrentFunction: Equatable {
  enum Kind: String {
    case relu, tanh, sigmoid, softplus, softsign, affine, leakyrelu, hardsigmoid, elu, thresholdedrelu
    case scaledtanh
  }

  let kind: Kind
  var alpha: Float = 0
  var beta: Float = 0

  /// The activations of all directions, `defaults` for each when the node names none. Each takes from the lists of
  /// alphas and betas, in order, what it has use for.
  static func all(_ node: Node, directions: Int, defaults: [String]) throws -> [[RecurrentFunction]] {
    let names =
      try node.strings("activations") ?? (0..<directions).flatMap { _ in defaults }
    if names.count != directions * defaults.count {
      throw node.error("has \(names.count) activations, not \(directions * defaults.count)")
    }
    var alphas = (try node.floats("activation_alpha") ?? [])[...]
    var betas = (try node.floats("activation_beta") ?? [])[...]
    let list = try names.map { try make($0, node, &alphas, &betas) }
    return (0..<directions).map { Array(list[($0 * defaults.count)..<(($0 + 1) * defaults.count)]) }
  }

  private static func make(
    _ name: String, _ node: Node, _ alphas: inout ArraySlice<Float>, _ betas: inout ArraySlice<Float>
  ) throws -> RecurrentFunction {
    guard let kind = Kind(rawValue: name.lowercased()) else {
      throw node.error("activation '\(name)' is unknown")
    }
    var function = RecurrentFunction(kind: kind)
    switch kind {
    case .relu, .tanh, .sigmoid, .softplus, .softsign: break
    case .affine, .scaledtanh:
      function.alpha = alphas.popFirst() ?? 1
      function.beta = betas.popFirst() ?? (kind == .affine ? 0 : 1)
    case .hardsigmoid:
      function.alpha = alphas.popFirst() ?? 0.2
      function.beta = betas.popFirst() ?? 0.5
    case .leakyrelu: function.alpha = alphas.popFirst() ?? 0.01
    case .elu, .thresholdedrelu: function.alpha = alphas.popFirst() ?? 1
    }
    return function
  }

  func callAsFunction(_ x: Double) -> Double {
    let (alpha, beta) = (Double(alpha), Double(beta))
    return switch kind {
    case .relu: Double.greater(x, 0)
    case .tanh: Glibc.tanh(x)
    case .sigmoid: 1 / (1 + exp(-x))
    case .softplus: x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
    case .softsign: x / (1 + abs(x))
    case .affine: alpha * x + beta
    case .leakyrelu: x < 0 ? alpha * x : x
    case .hardsigmoid: Double.lesser(1, Double.greater(0, alpha * x + beta))
    case .elu: x < 0 ? alpha * expm1(x) : x
    case .thresholdedrelu: x > alpha ? x : 0
    case .scaledtanh: alpha * Glibc.tanh(beta * x)
    }
  }
}
