import Tensors

/// `Gradient` of domain ai.onnx.preview.training. `Passes.expandGradients` replaces it by nodes that compute it.
enum GradientRule {
  static let op = OperatorName(domain: "ai.onnx.preview.training", type: "Gradient")

  static let rule = OperatorRule(
    op, inputs: 1...Int.max, outputs: 1...Int.max, attributes: ["xs", "y", "zs"]
  ) { context throws(GraphError) in
    let attributes = try GradientAttributes(context.node)
    if context.node.inputs.count != attributes.xs.count + attributes.zs.count
      || context.node.outputs.count > attributes.xs.count
    {
      throw context.error("its inputs and outputs do not fit 'xs' and 'zs'")
    }
    for index in context.node.outputs.indices {
      try context.expect(index, .float)
      if let type = context.valueType(index) { context.setOutput(index, type) }
    }
  }
}

struct GradientAttributes {
  /// Names of the values that the gradient is taken by.
  let xs: [String]
  /// Names of further values that `y` is computed from.
  let zs: [String]
  let y: String

  init(_ node: Node) throws(GraphError) {
    xs = try node.strings("xs") ?? []
    zs = try node.strings("zs") ?? []
    guard let y = try node.optionalString("y"), !xs.isEmpty else {
      throw node.error("attributes 'xs' and 'y' are required")
    }
    self.y = y
  }
}
