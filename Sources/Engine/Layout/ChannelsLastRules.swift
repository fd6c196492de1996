import GraphIR
import Tensors

extension EngineTable {
  /// The rule of an operator on images whose channels lie last, from the rule of the operator `base` for all others.
  static func channelsLastRule(
    _ op: OperatorName, like base: OperatorName, inputs: ClosedRange<Int>, seen: [Int]
  ) -> OperatorRule? {
    guard let rule = fusedRule(op, like: base, inputs: inputs, seen: seen) else { return nil }
    let own = [FusedOperator.channelsFirst, FusedOperator.shuffle]
    let attributes = rule.attributes + own
    return OperatorRule(op, inputs: inputs, attributes: attributes) { context throws(GraphError) in
      var node = context.node
      let isFirst = node.attributes.int(FusedOperator.channelsFirst) ?? 0 != 0
      for name in own { node.attributes[name] = nil }
      var types = node.inputs.indices.map { context.valueType($0) }
      if !isFirst { types[0] = types[0]?.tensor.map { .tensor($0.channelsFirst) } }
      var inner = InferenceContext(
        node: node, inputTypes: types, constants: node.inputs.indices.map { context.constant($0) })
      try rule.infer(&inner)
      guard let output = inner.outputTypes[0]?.tensor else { return }
      context.setOutput(0, .tensor(output.channelsLast))
    }
  }
}

extension EngineTable {
  /// The rule of an average of 8-bit images, from that of float32 ones.
  static func quantizedPoolRule(_ op: OperatorName, like base: OperatorName) -> OperatorRule? {
    guard let rule = channelsLastRule(op, like: base, inputs: 5...5, seen: [0]) else { return nil }
    return OperatorRule(op, inputs: 5...5, attributes: rule.attributes) { context throws(GraphError) in
      guard let input = context.valueType(0)?.tensor else { return }
      let floats = ValueType.tensor(TensorType(.float32, input.dimensions))
      let types = context.node.inputs.indices.map { $0 == 0 ? floats : context.valueType($0) }
      var inner = InferenceContext(
        node: context.node, inputTypes: types,
        constants: context.node.inputs.indices.map { context.constant($0) })
      try rule.infer(&inner)
      guard let output = inner.outputTypes[0]?.tensor else { return }
      context.setOutput(0, input.element, output.dimensions)
    }
  }
}

extension TensorType {
  /// `[batch, channels, d1 …]` of `[batch, d1 …, channels]`.
  fileprivate var channelsFirst: TensorType {
    TensorType(
      element, dimensions.map { $0.count < 3 ? $0 : [$0[0], $0[$0.count - 1]] + $0[1..<($0.count - 1)] })
  }

  fileprivate var channelsLast: TensorType {
    TensorType(element, dimensions.map { $0.count < 3 ? $0 : [$0[0]] + $0[2...] + [$0[1]] })
  }
}

extension Shape {
  /// `[batch, channels, d1 …]` of `[batch, d1 …, channels]`.
  var channelsFirst: Shape {
    rank < 3 ? self : Shape([self[0], self[rank - 1]] + dimensions[1..<(rank - 1)])
  }
}
