import GraphIR
import Tensors

extension EngineTable {
  /// The domain of operators that only the engine makes, by joining others.
  static let domain = "ai.adze"

  /// The rule of an operator of a model, or of one that fusion makes.
  static func rule(for op: OperatorName) -> OperatorRule? {
    if op.domain == domain { return fusedRules[op] }
    return OperatorTable.rule(for: op)
  }

  private static let fusedRules: [OperatorName: OperatorRule] = {
    let rules = [
      fusedRule("MatMul", base: "MatMul", inputs: 2...3, baseInputs: 2),
      fusedRule("Gemm", base: "Gemm", inputs: 2...3, baseInputs: 3),
      fusedRule("Conv", base: "Conv", inputs: 2...3, baseInputs: 3),
    ].compactMap { $0 }
    return Dictionary(uniqueKeysWithValues: rules.map { ($0.op, $0) })
  }()

  /// The rule of a fused operator whose outputs have the types that its base operator gives them: it sees the
  /// first `baseInputs` inputs and the attributes that are its own.
  private static func fusedRule(
    _ type: String, base: OperatorName, inputs: ClosedRange<Int>, baseInputs: Int
  ) -> OperatorRule? {
    guard let baseRule = OperatorTable.rule(for: base) else { return nil }
    let extra = [Activation.AttributeName.op, Activation.AttributeName.alpha, Activation.AttributeName.beta]
    return OperatorRule(
      OperatorName(domain: domain, type: type), inputs: inputs, attributes: baseRule.attributes + extra
    ) { context throws(GraphError) in
      var node = context.node
      node.op = base
      node.inputs = Array(node.inputs.prefix(baseInputs))
      for name in extra { node.attributes[name] = nil }
      var inner = InferenceContext(
        node: node, inputTypes: node.inputs.indices.map { context.valueType($0) },
        constants: node.inputs.indices.map { context.constant($0) })
      try baseRule.infer(&inner)
      for (index, type) in inner.outputTypes.enumerated() {
        if let type { context.setOutput(index, type) }
      }
    }
  }
}
