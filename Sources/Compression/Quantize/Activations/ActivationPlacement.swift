import GraphIR

/// Decides which activations carry QuantizeLinear and DequantizeLinear around the layers to quantize, and which
/// of them share their parameters.
///
/// * The input of every layer.
/// * The output of every convolution, behind the Relu or Clip that follows it: without it other runtimes leave
///   the convolution in float. With `activation_outputs` float only where a layer reads it.
/// * The inputs of operators that only move values, when their output is quantized; both sides share parameters,
///   so that nothing is rounded twice.
/// * Both sides of a sum, all parts of a Concat, and the gate of x · sigmoid(x), where the result is quantized and
///   what goes in comes from integers: the engine computes these in integers, or as one table.
struct ActivationPlacement {
  /// In the order found, which follows the graph.
  private(set) var values: [ValueID] = []
  private var members: Set<ValueID> = []
  /// For the output of an operator that only moves values: its input.
  private var sources: [ValueID: ValueID] = [:]
  /// Values that come out of a quantized convolution: all readers take the quantized form.
  private(set) var convolutionOutputs: Set<ValueID> = []
  /// Nodes between quantized tensors that read all of them in the quantized form.
  private(set) var integerNodes: Set<Int> = []
  /// The step that says how a value is quantized: that of the first layer around it.
  private var steps: [ValueID: QuantizeStep] = [:]

  /// The quantized output of each convolution, by its node.
  private var outputs: [Int: ValueID] = [:]

  /// What can be read in integers at no cost.
  private var integers: Set<ValueID> = []

  private let graph: Graph
  private let index: GraphIndex
  /// Whether a value can be quantized at all.
  private let isUsable: (ValueID) -> Bool

  /// Operators whose output holds only values of their input, by reading position 0.
  private static let moving: Set<OperatorName> = [
    "MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Expand", "Tile",
    "DepthToSpace", "SpaceToDepth",
  ]
  private static let gates: Set<OperatorName> = ["Sigmoid", "HardSigmoid", "Tanh"]

  init(
    _ assignments: [QuantizeAssignment], _ graph: Graph, _ index: GraphIndex,
    isUsable: @escaping (ValueID) -> Bool = { _ in true }
  ) {
    self.graph = graph
    self.index = index
    self.isUsable = isUsable
    let readByLayers = Set(assignments.map(\.layer.activation))
    for assignment in assignments {
      let layer = assignment.layer
      insert(layer.activation, assignment.step)
      if layer.isConvolution {
        let output = Self.behindActivation(layer.output, graph, index)
        if assignment.step.activationOutputs == .float && !readByLayers.contains(output) { continue }
        insert(output, assignment.step)
        outputs[layer.node] = output
        convolutionOutputs.insert(output)
      }
    }
    integers = findIntegers()
    // The list grows while it is walked: what feeds quantized tensors is followed backwards.
    var position = 0
    while position < values.count {
      let value = values[position]
      position += 1
      guard let producer = index.producers[value], let step = steps[value] else { continue }
      if !followMovement(value, producer, step) { joinIntegers(value, producer, step) }
    }
  }

  func contains(_ value: ValueID) -> Bool { members.contains(value) }

  /// The value whose measured range holds for `value`.
  func source(of value: ValueID) -> ValueID {
    var current = value
    while let next = sources[current] { current = next }
    return current
  }

  /// How `value` is quantized.
  func step(of value: ValueID) -> QuantizeStep? { steps[value] }

  /// The name of a tensor around `layer` that has no range; nil when all have one.
  func unusable(_ layer: WeightLayer, _ ranges: [ValueID: ValueRange], _ graph: Graph) -> String? {
    var needed = [layer.activation]
    if layer.isConvolution, let output = outputs[layer.node] { needed.append(output) }
    return needed.first { ranges[source(of: $0)] == nil }.map { graph[$0].name }
  }

  /// True when `node` reads `value` at input 0 and only moves it into a quantized output.
  func passesOn(_ value: ValueID, _ node: Node) -> Bool {
    guard let output = node.outputs.first, let source = sources[output] else { return false }
    return source == value
  }

  private mutating func insert(_ value: ValueID, _ step: QuantizeStep) {
    if members.insert(value).inserted {
      values.append(value)
      steps[value] = step
    }
  }

  private mutating func followMovement(_ value: ValueID, _ producer: Int, _ step: QuantizeStep) -> Bool {
    let node = graph.nodes[producer]
    let outputs = node.outputs.filter { !$0.isNone }
    guard Self.moving.contains(node.op), outputs.count == 1, !node.inputs[0].isNone,
      graph.constant(node.inputs[0]) == nil
    else { return false }
    sources[value] = node.inputs[0]
    insert(node.inputs[0], step)
    return true
  }

  /// Takes in what a sum, a Concat or a gated function that gives `value` reads.
  private mutating func joinIntegers(_ value: ValueID, _ producer: Int, _ step: QuantizeStep) {
    var position = producer
    if graph.nodes[position].op == "Relu" || graph.nodes[position].op == "Clip" {
      let input = graph.nodes[position].inputs[0]
      guard let before = index.producers[input], index.onlyUse(of: input) != nil else { return }
      position = before
      guard graph.nodes[position].op == "Add" || graph.nodes[position].op == "Sum" else { return }
    }
    let node = graph.nodes[position]
    switch node.op {
    case "Add", "Sum":
      guard node.inputs.count == 2, node.inputs[0] != node.inputs[1],
        node.inputs.allSatisfy(integers.contains)
      else { return }
    case "Concat": guard node.inputs.allSatisfy(integers.contains) else { return }
    case "Mul": guard isGated(node) else { return }
    default: return
    }
    integerNodes.insert(position)
    for input in node.inputs { insert(input, step) }
  }

  /// x · f(x) with f a function of one element whose range is known.
  private func isGated(_ node: Node) -> Bool {
    for side in 0...1 {
      let (x, gate) = (node.inputs[side], node.inputs[1 - side])
      guard convolutionOutputs.contains(x), isUsable(gate), let producer = index.producers[gate] else {
        continue
      }
      let function = graph.nodes[producer]
      if Self.gates.contains(function.op), function.inputs[0] == x { return true }
    }
    return false
  }

  /// Values that are quantized or nothing but movements, sums, Concats and tables away from what is.
  private func findIntegers() -> Set<ValueID> {
    var found = members.filter(isUsable)
    for node in graph.nodes where node.outputs.count == 1 && isUsable(node.outputs[0]) {
      let holds: Bool
      switch node.op {
      case "Concat", "Add", "Sum": holds = node.inputs.allSatisfy { found.contains($0) }
      case "Mul": holds = isGated(node)
      case "HardSwish", "Sigmoid", "HardSigmoid", "LeakyRelu", "Elu", "Tanh":
        holds = convolutionOutputs.contains(node.inputs[0])
      case "Relu", "Clip", "AveragePool", "GlobalAveragePool": holds = found.contains(node.inputs[0])
      case let op: holds = Self.moving.contains(op) && found.contains(node.inputs[0])
      }
      if holds { found.insert(node.outputs[0]) }
    }
    return found
  }

  /// The output of the Relu or Clip that alone reads `value`, or `value` itself.
  private static func behindActivation(_ value: ValueID, _ graph: Graph, _ index: GraphIndex) -> ValueID {
    guard let use = index.onlyUse(of: value), use.position == 0 else { return value }
    let node = graph.nodes[use.node]
    return node.op == "Relu" || node.op == "Clip" ? node.outputs[0] : value
  }
}
