import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let optimizerOperators: [OperatorEntry] = ["Adagrad", "Adam", "Momentum"].map { type in
    OperatorEntry(
      dynamic: OperatorName(domain: "ai.onnx.preview.training", type: type), types: .floats, typedInput: 2
    ) {
      try OptimizerOperator($0.node)
    }
  }
}

/// One step of an optimizer, in float64 inside.
struct OptimizerOperator: DynamicOperator {
  private enum Method: String { case adagrad = "Adagrad", adam = "Adam", momentum = "Momentum" }
  private enum Mode: String, CaseIterable { case standard, nesterov }
  private let method: Method
  private let alpha: Double
  private let beta: Double
  private let epsilon: Double
  private let decay: Double
  private let norm: Double
  private let normAfter: Double
  private let isNesterov: Bool

  init(_ node: Node) throws {
    guard let method = Method(rawValue: node.op.type) else { throw OperatorFailure.unsupported(node.op.type) }
    self.method = method
    alpha = Double(try node.float("alpha", default: 0.9))
    beta = Double(try node.float("beta", default: 0.999))
    epsilon = Double(try node.float("epsilon", default: 1e-6))
    decay = Double(try node.float("decay_factor", default: 0))
    norm = Double(try node.float("norm_coefficient", default: 0))
    normAfter = Double(try node.float("norm_coefficient_post", default: 0))
    isNesterov = try node.choice("mode", default: Mode.standard) == .nesterov
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let tensors = try inputs.indices.map { try ValueInputs(inputs).tensor($0) }
    let states = method == .adam ? 2 : 1
    let count = (tensors.count - 2) / (2 + states)
    guard let rate = try tensors[0].doubles().first, tensors[1].type == .int64,
      let step = tensors[1].array(of: Int.self).first
    else { throw OperatorFailure.invalid("rate and step must be scalars") }
    var outputs = [Tensor?](repeating: nil, count: count * (1 + states))
    for index in 0..<count {
      let group = (0..<(2 + states)).map { tensors[2 + $0 * count + index] }
      if group.contains(where: { $0.shape != group[0].shape }) {
        throw OperatorFailure.invalid("tensor \(index), its gradient and its state differ in shape")
      }
      let columns = try group.map { try $0.doubles() }
      var results = [[Double]](repeating: [], count: 1 + states)
      for position in columns[0].indices {
        let updated = update(columns.map { $0[position] }, rate, step)
        for (place, value) in updated.enumerated() { results[place].append(value) }
      }
      for (place, values) in results.enumerated() {
        let type = group[0].type
        outputs[place * count + index] =
          type == .float64
          ? try Tensor(shape: group[0].shape, values)
          : try Tensor(shape: group[0].shape, values.map { Float($0) })
      }
    }
    return try outputs.map { tensor in
      guard let tensor else { throw OperatorFailure.invalid("an output is missing") }
      return .tensor(tensor)
    }
  }

  /// - Parameter values: the element, its gradient, its state.
  /// - Returns: the new element and its new state.
  private func update(_ values: [Double], _ rate: Double, _ step: Int) -> [Double] {
    let (x, state) = (values[0], values[2])
    let gradient = norm * x + values[1]
    switch method {
    case .adagrad:
      let sum = state + gradient * gradient
      return [x - rate / (1 + Double(step) * decay) * gradient / (sum.squareRoot() + epsilon), sum]
    case .momentum:
      let speed = alpha * state + (step > 0 ? beta : 1) * gradient
      return [x - rate * (isNesterov ? gradient + alpha * speed : speed), speed]
    case .adam:
      let speed = alpha * state + (1 - alpha) * gradient
      let square = beta * values[3] + (1 - beta) * gradient * gradient
      let power = Double(step)
      let adjusted = step > 0 ? rate * (1 - pow(beta, power)).squareRoot() / (1 - pow(alpha, power)) : rate
      return [(1 - normAfter) * (x - adjusted * speed / (square.squareRoot() + epsilon)), speed, square]
    }
  }
}
