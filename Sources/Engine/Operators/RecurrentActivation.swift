import CKernels
import GraphIR

/// An activation of a recurrent operator, applied in place to a row.
enum RecurrentActivation {
  case kernel(Activation)
  case thresholdedRelu(alpha: Float)
  case scaledTanh(alpha: Float, beta: Float)
  case softsign

  func apply(_ row: UnsafeMutablePointer<Float>, count: Int) {
    switch self {
    case .kernel(let activation): activation.apply(row, row, count: count)
    case .thresholdedRelu(let alpha):
      for index in 0..<count where !(row[index] > alpha) { row[index] = 0 }
    case .scaledTanh(let alpha, let beta):
      Kernels.current.affine_f32(row, row, count, beta, 0)
      Kernels.current.tanh_f32(row, row, count, 0, 0)
      Kernels.current.affine_f32(row, row, count, alpha, 0)
    case .softsign:
      for index in 0..<count { row[index] /= 1 + abs(row[index]) }
    }
  }

  /// The activations of all directions, `defaults` for each when the node names none. Each takes from the lists of
  /// alphas and betas, in order, what it has use for.
  static func all(_ node: Node, directions: Int, defaults: [String]) throws -> [[RecurrentActivation]] {
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
  ) throws -> RecurrentActivation {
    let kernels = Kernels.current
    switch name.lowercased() {
    case "relu": return .kernel(Activation(kind: .function(kernels.relu_f32)))
    case "tanh": return .kernel(Activation(kind: .function(kernels.tanh_f32)))
    case "sigmoid": return .kernel(Activation(kind: .function(kernels.sigmoid_f32)))
    case "softplus": return .kernel(Activation(kind: .function(kernels.softplus_f32)))
    case "softsign": return .softsign
    case "affine":
      return .kernel(
        Activation(
          kind: .function(kernels.affine_f32), alpha: alphas.popFirst() ?? 1, beta: betas.popFirst() ?? 0))
    case "leakyrelu":
      return .kernel(Activation(kind: .function(kernels.leaky_relu_f32), alpha: alphas.popFirst() ?? 0.01))
    case "hardsigmoid":
      return .kernel(
        Activation(
          kind: .function(kernels.hard_sigmoid_f32), alpha: alphas.popFirst() ?? 0.2,
          beta: betas.popFirst() ?? 0.5))
    case "elu": return .kernel(Activation(kind: .function(kernels.elu_f32), alpha: alphas.popFirst() ?? 1))
    case "thresholdedrelu": return .thresholdedRelu(alpha: alphas.popFirst() ?? 1)
    case "scaledtanh":
      return .scaledTanh(alpha: alphas.popFirst() ?? 1, beta: betas.popFirst() ?? 1)
    default: throw node.error("activation '\(name)' is unknown")
    }
  }
}
