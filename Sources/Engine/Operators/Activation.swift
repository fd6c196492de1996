import CKernels
import GraphIR
import Tensors

extension Activation {
  /// Names of the attributes by which a fused node carries its activation.
  enum AttributeName {
    static let op = "activation"
    static let alpha = "activation_alpha"
    static let beta = "activation_beta"
  }

  /// The activation that a node of domain `ai.adze` carries; nil when it has none.
  init?(fusedInto node: Node) throws {
    guard let op = try node.optionalString(AttributeName.op) else { return nil }
    let alpha = try node.float(AttributeName.alpha, default: 0)
    let beta = try node.float(AttributeName.beta, default: 0)
    guard let activation = Activation(op, alpha: alpha, beta: beta) else {
      throw OperatorFailure.unsupported("activation \(op) cannot be fused")
    }
    self = activation
  }

  /// The activation that a unary float operator is; nil when no vector kernel computes it.
  /// Clip's alpha and beta are its limits.
  init?(_ op: String, alpha: Float, beta: Float) {
    let table = Kernels.current
    self.alpha = alpha
    self.beta = beta
    switch op {
    case "Relu": kind = .clamp(minimum: 0, maximum: .infinity)
    case "Clip": kind = .clamp(minimum: alpha, maximum: beta)
    case "LeakyRelu": kind = .function(table.leaky_relu_f32)
    case "Elu": kind = .function(table.elu_f32)
    case "HardSigmoid": kind = .function(table.hard_sigmoid_f32)
    case "HardSwish": kind = .function(table.hard_swish_f32)
    case "Abs": kind = .function(table.abs_f32)
    case "Neg": kind = .function(table.neg_f32)
    case "Sqrt": kind = .function(table.sqrt_f32)
    case "Reciprocal": kind = .function(table.reciprocal_f32)
    case "Floor": kind = .function(table.floor_f32)
    case "Ceil": kind = .function(table.ceil_f32)
    case "Round": kind = .function(table.round_f32)
    case "Exp": kind = .function(table.exp_f32)
    case "Log": kind = .function(table.log_f32)
    case "Erf": kind = .function(table.erf_f32)
    case "Tanh": kind = .function(table.tanh_f32)
    case "Sigmoid": kind = .function(table.sigmoid_f32)
    case "Gelu": kind = .function(table.gelu_f32)
    case "GeluTanh": kind = .function(table.gelu_tanh_f32)
    case "Swish": kind = .function(table.silu_f32)
    case "Softplus": kind = .function(table.softplus_f32)
    default: return nil
    }
  }

  /// The activation that `node` is, read from its attributes; nil when it is none, or has constants that
  /// are not known (`Clip` with computed limits).
  init?(node: Node, constant: (ValueID) -> Tensor?) throws {
    guard node.op.domain.isEmpty else { return nil }
    switch node.op.type {
    case "Clip":
      func limit(_ index: Int, _ fallback: Float) -> Float? {
        guard node.hasInput(index) else { return fallback }
        guard let tensor = constant(node.inputs[index]), tensor.type == .float32, tensor.elementCount == 1
        else { return nil }
        return tensor.array(of: Float.self)[0]
      }
      // Limits the wrong way round give the maximum everywhere, which a clamp need not do.
      guard let low = limit(1, -.infinity), let high = limit(2, .infinity), low <= high else { return nil }
      self.init("Clip", alpha: low, beta: high)
    case "Gelu":
      let attributes = try GeluAttributes(node)
      self.init(attributes.approximation == .tanh ? "GeluTanh" : "Gelu", alpha: 0, beta: 0)
    default:
      let attributes = try ActivationAttributes(node)
      self.init(node.op.type, alpha: attributes.alpha, beta: attributes.beta)
    }
  }
}
