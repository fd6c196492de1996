import GraphIR
import Tensors

/// Products with weights, where channels begin and end.
extension ChannelRules {
  mutating func convolution(_ index: Int, _ node: Node) {
    let weight = node.inputs[1]
    guard let constant = variables.graph.constant(weight), constant.shape.rank >= 3 else {
      return stop(index)
    }
    let groups = node.attributes.int("group") ?? 1
    let channels = variables.positions(node.inputs[0], 1)
    variables.fix(node.inputs[0], except: [1])
    if groups == 1 {
      consume(index, weight, axis: 1, channels)
      produce(index, node, weight, axis: 0)
      return
    }
    // Every output channel sees one input channel: channel o sees o / multiplier.
    guard constant.shape[1] == 1, let channels, channels.count == groups, constant.shape[0] % groups == 0
    else {
      return stop(index)
    }
    let multiplier = constant.shape[0] / groups
    let outputs = channels.flatMap { Array(repeating: $0, count: multiplier) }
    variables.tie(weight, 0, to: outputs)
    tieBias(node, outputs)
    variables.addDepthwise(index, channels)
    variables.set(node.outputs[0], 1, outputs)
  }

  mutating func transposedConvolution(_ index: Int, _ node: Node) {
    let weight = node.inputs[1]
    guard variables.graph.constant(weight) != nil, node.attributes.int("group") ?? 1 == 1 else {
      return stop(index)
    }
    variables.fix(node.inputs[0], except: [1])
    consume(index, weight, axis: 0, variables.positions(node.inputs[0], 1))
    produce(index, node, weight, axis: 1)
  }

  mutating func gemm(_ index: Int, _ node: Node) {
    let weight = node.inputs[1]
    guard let constant = variables.graph.constant(weight), constant.shape.rank == 2,
      isActivation(node.inputs[0]),
      node.attributes.int("transA") ?? 0 == 0
    else { return stop(index) }
    let isTransposed = node.attributes.int("transB") ?? 0 != 0
    variables.fix(node.inputs[0], except: [1])
    consume(index, weight, axis: isTransposed ? 1 : 0, variables.positions(node.inputs[0], 1))
    produce(index, node, weight, axis: isTransposed ? 0 : 1)
  }

  mutating func matMul(_ index: Int, _ node: Node) {
    let (left, right) = (node.inputs[0], node.inputs[1])
    guard let rank = variables.rank(left), rank >= 2 else { return stop(index) }
    if let weight = variables.graph.constant(right) {
      guard weight.shape.rank == 2, isActivation(left) else { return stop(index) }
      for axis in 0..<rank - 1 {
        variables.set(node.outputs[0], axis, variables.positions(left, axis))
      }
      consume(index, right, axis: 0, variables.positions(left, rank - 1))
      variables.addRole(.init(node: index, weight: right, axis: 1, isConsumer: false))
      variables.set(node.outputs[0], rank - 1, variables.positions(right, 1))
      return
    }
    guard isActivation(left), variables.rank(right) == rank else { return stop(index) }
    // What is summed over goes from both; stacks of matrices go together.
    variables.atoms.unite(variables.positions(left, rank - 1), variables.positions(right, rank - 2))
    variables.set(node.outputs[0], rank - 2, variables.positions(left, rank - 2))
    variables.set(node.outputs[0], rank - 1, variables.positions(right, rank - 1))
    for axis in 0..<rank - 2 {
      let (a, b) = (variables.positions(left, axis), variables.positions(right, axis))
      variables.atoms.unite(a, b)
      if a != nil && b != nil { variables.set(node.outputs[0], axis, a) }
    }
  }

  private mutating func consume(_ index: Int, _ weight: ValueID, axis: Int, _ channels: [Int]?) {
    variables.addRole(.init(node: index, weight: weight, axis: axis, isConsumer: true))
    variables.tie(weight, axis, to: channels)
  }

  /// The output's axis 1 has the channels of the weight's axis `axis`, and a bias too.
  private mutating func produce(_ index: Int, _ node: Node, _ weight: ValueID, axis: Int) {
    variables.addRole(.init(node: index, weight: weight, axis: axis, isConsumer: false))
    let channels = variables.positions(weight, axis)
    tieBias(node, channels)
    variables.set(node.outputs[0], 1, channels)
  }

  private mutating func tieBias(_ node: Node, _ channels: [Int]?) {
    guard node.inputs.count > 2, !node.inputs[2].isNone else { return }
    let bias = node.inputs[2]
    guard let rank = variables.rank(bias), rank > 0 else {
      // A scalar serves any number of channels; of an unknown rank nothing can be said.
      if variables.rank(bias) == nil { variables.atoms.fix(channels) }
      return
    }
    if isActivation(bias) {
      variables.fix(bias)
      variables.atoms.fix(channels)
      return
    }
    for axis in 0..<rank - 1 { variables.tie(bias, axis, to: nil) }
    if variables.extent(bias, rank - 1) != 1 || channels?.count == 1 {
      variables.tie(bias, rank - 1, to: channels)
    }
  }
}
