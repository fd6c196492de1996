import Tensors

/// Domain ai.onnx.preview.training: one step of an optimizer for any number of tensors.
enum OptimizerRules {
  static let all: [OperatorRule] = [
    rule("Adagrad", groups: 3, ["decay_factor", "epsilon", "norm_coefficient"]),
    rule("Adam", groups: 4, ["alpha", "beta", "epsilon", "norm_coefficient", "norm_coefficient_post"]),
    rule("Momentum", groups: 3, ["alpha", "beta", "mode", "norm_coefficient"]),
  ]

  /// - Parameter groups: how many inputs each tensor has: itself, its gradient, its state.
  private static func rule(_ type: String, groups: Int, _ attributes: [String]) -> OperatorRule {
    OperatorRule(
      OperatorName(domain: "ai.onnx.preview.training", type: type), inputs: (2 + groups)...Int.max,
      outputs: 1...Int.max, attributes: attributes
    ) { context throws(GraphError) in
      let count = (context.node.inputs.count - 2) / groups
      if context.node.inputs.count != 2 + count * groups || context.node.outputs.count != count * (groups - 1)
      {
        throw context.error("has \(context.node.inputs.count) inputs, which is not 2 and \(groups) a tensor")
      }
      try context.expect(0, [.float32, ElementSet(.float64)])
      try context.expect(1, .int64)
      for tensor in 0..<count {
        for output in 0..<(groups - 1) {
          // The outputs are the tensors and their states; gradients have none.
          let input = 2 + (output == 0 ? 0 : output + 1) * count + tensor
          guard let type = context.type(input) else { continue }
          context.setOutput(output * count + tensor, .tensor(type))
        }
      }
    }
  }
}
