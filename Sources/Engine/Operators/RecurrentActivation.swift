import CKernels

/// An activation of a recurrent operator in float32, applied in place to a row.
enum RecurrentActivation {
  case kernel(Activation)
  case thresholdedRelu(alpha: Float)
  case scaledTanh(alpha: Float, beta: Float)
  case softsign

  init(_ function: RecurrentFunction) {
    let kernels = Kernels.current
    let (alpha, beta) = (function.alpha, function.beta)
    self =
      switch function.kind {
      case .relu: .kernel(Activation(kind: .function(kernels.relu_f32)))
      case .tanh: .kernel(Activation(kind: .function(kernels.tanh_f32)))
      case .sigmoid: .kernel(Activation(kind: .function(kernels.sigmoid_f32)))
      case .softplus: .kernel(Activation(kind: .function(kernels.softplus_f32)))
      case .softsign: .softsign
      case .affine: .kernel(Activation(kind: .function(kernels.affine_f32), alpha: alpha, beta: beta))
      case .leakyrelu: .kernel(Activation(kind: .function(kernels.leaky_relu_f32), alpha: alpha))
      case .hardsigmoid:
        .kernel(Activation(kind: .function(kernels.hard_sigmoid_f32), alpha: alpha, beta: beta))
      case .elu: .kernel(Activation(kind: .function(kernels.elu_f32), alpha: alpha))
      case .thresholdedrelu: .thresholdedRelu(alpha: alpha)
      case .scaledtanh: .scaledTanh(alpha: alpha, beta: beta)
      }
  }

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
}
