import GraphIR
import Tensors

extension PixelChain {
  private static let prefix = "stage"

  /// A node for convolutions that run one after the other, each the only reader of the one before.
  static func node(_ stages: [Node]) -> Node {
    var node = Node(
      name: stages[stages.count - 1].name, op: FusedOperator.convChainNHWC, inputs: [stages[0].inputs[0]],
      outputs: stages[stages.count - 1].outputs, attributes: [prefix: .int(stages.count)])
    for (index, stage) in stages.enumerated() {
      node.inputs += [stage.inputs[1], stage.hasInput(2) ? stage.inputs[2] : .none]
      for entry in stage.attributes.entries {
        node.attributes["\(prefix)\(index)_\(entry.name)"] = entry.value
      }
    }
    if let last = stages.last, last.hasInput(3) { node.inputs.append(last.inputs[3]) }
    return node
  }

  /// The convolutions of such a node; their inputs are x, weight and bias.
  static func stages(of node: Node) -> [Node] {
    (0..<min(8, max(0, node.attributes.int(prefix) ?? 0))).map { index in
      var stage = Node(
        name: node.name, op: FusedOperator.convNHWC,
        inputs: (0..<3).map { input in
          let place = input == 0 ? 0 : 2 * index + input
          return place < node.inputs.count ? node.inputs[place] : .none
        }, outputs: node.outputs)
      let own = "\(prefix)\(index)_"
      for entry in node.attributes.entries where entry.name.hasPrefix(own) {
        stage.attributes[String(entry.name.dropFirst(own.count))] = entry.value
      }
      return stage
    }
  }

  /// What each stage gives.
  static func types(_ node: Node, _ inputs: [ValueType?]) throws(GraphError) -> [TensorType?] {
    guard let rule = EngineTable.rule(for: FusedOperator.convNHWC) else { return [] }
    var x = inputs.first ?? nil
    var types: [TensorType?] = []
    for (index, stage) in stages(of: node).enumerated() {
      let weight = 2 * index + 1 < inputs.count ? inputs[2 * index + 1] : nil
      let bias = 2 * index + 2 < inputs.count ? inputs[2 * index + 2] : nil
      var context = InferenceContext(node: stage, inputTypes: [x, weight, bias], constants: [nil, nil, nil])
      try rule.infer(&context)
      x = context.outputTypes[0]
      types.append(x?.tensor)
    }
    return types
  }

  static let rule: OperatorRule = {
    let names =
      ConvAttributes.names + [
        Activation.AttributeName.op, Activation.AttributeName.alpha, Activation.AttributeName.beta,
        FusedOperator.channelsFirst, FusedOperator.shuffle,
      ]
    let attributes = [prefix] + (0..<3).flatMap { index in names.map { "\(prefix)\(index)_\($0)" } }
    return OperatorRule(FusedOperator.convChainNHWC, inputs: 3...8, requiredInputs: 2, attributes: attributes)
    {
      context throws(GraphError) in
      let inputs = context.node.inputs.indices.map { context.valueType($0) }
      if let last = try types(context.node, inputs).last, let type = last {
        context.setOutput(0, .tensor(type))
      }
    }
  }()

  /// Multiplications with addition of all stages.
  static func multiplyAccumulates(_ node: Node, _ inputs: [OperandType?]) -> Int {
    let types = try? types(node, inputs.map { $0.map { .tensor(TensorType($0.element, shape: $0.shape)) } })
    return (types ?? []).enumerated().reduce(0) { sum, stage in
      let weight = inputs[2 * stage.offset + 1]?.shape
      let depth = weight.map { $0.product(1..<$0.rank) } ?? 0
      return sum + (stage.element?.shape?.elementCount ?? 0) * depth
    }
  }
}
