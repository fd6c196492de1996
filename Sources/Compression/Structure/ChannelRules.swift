import GraphIR
import Tensors

/// How operators carry channels from their inputs to their outputs.
///
/// Source: the dependency rules of Fang et al., "DepGraph: towards any structural pruning" (2023), for ONNX
/// operators. Every rule is told in terms of positions on axes; an operator without a rule fixes all it reads.
struct ChannelRules {
  var variables: ChannelVariables
  /// Why channels that reach these nodes stay, for reports.
  private(set) var reasons: [Int: String] = [:]

  init(_ graph: Graph, types: [String: TensorType]) {
    variables = ChannelVariables(graph, types: types)
    for node in graph.nodes.indices { apply(node) }
    variables.finish()
  }

  private var graph: Graph { variables.graph }

  private mutating func apply(_ index: Int) {
    let node = graph.nodes[index]
    guard node.op.domain.isEmpty, node.bodies.isEmpty else { return stop(index) }
    switch node.op.type {
    case "Conv": convolution(index, node)
    case "ConvTranspose": transposedConvolution(index, node)
    case "Gemm": gemm(index, node)
    case "MatMul": matMul(index, node)
    case "BatchNormalization", "InstanceNormalization": normalization(index, node)
    case "MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool":
      if node.outputs.count > 1, node.outputs.dropFirst().contains(where: { !$0.isNone }) {
        return stop(index)
      }
      carry(node, axes: [1: 1])
    case "LRN", "DepthToSpace", "SpaceToDepth", "GroupNormalization": stop(index)
    case "Resize", "Upsample": resize(index, node)
    case "Softmax", "LogSoftmax", "Hardmax", "LpNormalization": alongAxis(index, node, fallback: -1)
    case "LayerNormalization", "RMSNormalization", "MeanVarianceNormalization":
      layerNormalization(index, node)
    case "Transpose": transpose(index, node)
    case "Concat": concat(index, node)
    case "Split": split(index, node)
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze": reshape(index, node)
    case "Shape": shape(index, node)
    case "Pad": pad(index, node)
    default:
      if Self.unary.contains(node.op.type) {
        carryAll(node)
      } else if Self.elementwise.contains(node.op.type) {
        broadcast(index, node)
      } else if node.op.type.hasPrefix("Reduce") {
        reduce(index, node)
      } else {
        stop(index)
      }
    }
  }

  /// Functions of single elements: what is zero or constant stays so, and channels do not meet.
  private static let unary: Set<String> = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN",
    "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid",
    "Sign",
    "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
  ]
  private static let elementwise: Set<String> = [
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
    "Mod",
    "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
  ]

  /// Nothing that the node reads may change.
  mutating func stop(_ index: Int) {
    let node = graph.nodes[index]
    for input in node.inputs { variables.fix(input) }
    reasons[index] = "\(node.op) \(node.label(in: graph)) keeps the channels that it reads"
  }

  /// Axes of the first input that go to axes of the first output; the others may not change.
  mutating func carry(_ node: Node, axes: [Int: Int]) {
    let input = node.inputs[0]
    variables.fix(input, except: Set(axes.keys))
    for (from, to) in axes.sorted(by: { $0.key < $1.key }) {
      variables.set(node.outputs[0], to, variables.positions(input, from))
    }
  }

  private mutating func carryAll(_ node: Node) {
    guard let input = node.inputs.first, let rank = variables.rank(input) else {
      for input in node.inputs { variables.fix(input) }
      return
    }
    carry(node, axes: Dictionary(uniqueKeysWithValues: (0..<rank).map { ($0, $0) }))
    // Bounds of Clip and the ratio of Dropout are scalars; a mask as second output has the same channels.
    for output in node.outputs.dropFirst() {
      for axis in 0..<rank { variables.set(output, axis, variables.positions(input, axis)) }
    }
  }

  /// Operands aligned at their last axes; where an extent is 1, it serves all channels of the others.
  private mutating func broadcast(_ index: Int, _ node: Node) {
    let operands = node.inputs.filter { !$0.isNone }
    let ranks = operands.compactMap { variables.rank($0) }
    guard ranks.count == operands.count, let rank = ranks.max(), operands.contains(where: isActivation) else {
      return stop(index)
    }
    for axis in 0..<rank {
      // Initializers first take part when activations have channels here, or their axes would all become variables.
      var known: [Int]?
      var isKnownToAll = true
      let meeting = zip(operands, ranks).compactMap { operand, own -> (ValueID, Int)? in
        let place = axis - (rank - own)
        return place < 0 || variables.extent(operand, place) == 1 ? nil : (operand, place)
      }
      for (operand, place) in meeting where isActivation(operand) {
        guard let positions = variables.positions(operand, place) else {
          isKnownToAll = false
          continue
        }
        if let known { variables.atoms.unite(known, positions) }
        known = known ?? positions
      }
      for (operand, own) in zip(operands, ranks) where isActivation(operand) && axis >= rank - own {
        let place = axis - (rank - own)
        if variables.extent(operand, place) == 1 { variables.atoms.fix(variables.positions(operand, place)) }
      }
      let hasActivation = meeting.contains { isActivation($0.0) }
      if !isKnownToAll { variables.atoms.fix(known) }
      for (operand, place) in meeting where !isActivation(operand) {
        variables.tie(operand, place, to: isKnownToAll && hasActivation ? known : nil)
        if !hasActivation || !isKnownToAll { variables.atoms.fix(known) }
      }
      if isKnownToAll { variables.set(node.outputs[0], axis, known) }
    }
  }

  func isActivation(_ value: ValueID) -> Bool { graph.constant(value) == nil }

  /// A parameter for each channel of axis 1.
  private mutating func normalization(_ index: Int, _ node: Node) {
    if node.attributes.int("training_mode") ?? 0 != 0 { return stop(index) }
    carryAll(node)
    let channels = variables.positions(node.inputs[0], 1)
    for input in node.inputs.dropFirst() where !input.isNone {
      if isActivation(input) { variables.fix(input); variables.atoms.fix(channels); continue }
      variables.tie(input, 0, to: channels)
    }
  }

  /// Normalizes along one axis: no channel on it may go, the others pass.
  private mutating func alongAxis(_ index: Int, _ node: Node, fallback: Int) {
    guard let rank = variables.rank(node.inputs[0]) else { return stop(index) }
    let axis = node.attributes.int("axis") ?? fallback
    let resolved = axis < 0 ? axis + rank : axis
    carry(
      node, axes: Dictionary(uniqueKeysWithValues: (0..<rank).filter { $0 != resolved }.map { ($0, $0) }))
  }

  private mutating func layerNormalization(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.inputs[0]), node.op.type != "MeanVarianceNormalization" else {
      return stop(index)
    }
    let axis = node.attributes.int("axis") ?? -1
    let first = axis < 0 ? axis + rank : axis
    if first < 0 { return stop(index) }
    for input in node.inputs.dropFirst() { variables.fix(input) }
    carry(node, axes: Dictionary(uniqueKeysWithValues: (0..<min(first, rank)).map { ($0, $0) }))
  }

  private mutating func reduce(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.inputs[0]), let axes = axes(of: node, rank: rank, input: 1),
      !axes.isEmpty
    else { return stop(index) }
    let keepsAxes = node.attributes.int("keepdims") ?? 1 != 0
    var places: [Int: Int] = [:]
    for axis in 0..<rank where !axes.contains(axis) {
      places[axis] = keepsAxes ? axis : axis - axes.filter { $0 < axis }.count
    }
    carry(node, axes: places)
  }

  /// The axes that an attribute or, in newer forms, a constant input names; empty when absent, nil when not known.
  func axes(of node: Node, rank: Int, input: Int) -> [Int]? {
    var named: [Int]
    if let attribute = node.attributes.ints("axes") {
      named = attribute
    } else if node.inputs.count > input, !node.inputs[input].isNone {
      guard let constant = graph.constant(node.inputs[input])?.integers else { return nil }
      named = constant
    } else {
      return []
    }
    named = named.map { $0 < 0 ? $0 + rank : $0 }
    return named.allSatisfy { (0..<rank).contains($0) } ? named : nil
  }

  /// Only space may change size.
  private mutating func resize(_ index: Int, _ node: Node) {
    let (input, output) = (node.inputs[0], node.outputs[0])
    let isCropped = node.attributes.string("coordinate_transformation_mode") == "tf_crop_and_resize"
    let usesSizes = node.inputs.count > 3 && !node.inputs[3].isNone
    let channels = variables.extent(input, 1)
    guard !isCropped, !usesSizes, channels != nil, channels == variables.extent(output, 1) else {
      return stop(index)
    }
    carry(node, axes: [1: 1])
  }

  private mutating func pad(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.inputs[0]), node.inputs.count < 4 || node.inputs[3].isNone else {
      return stop(index)
    }
    var pads = node.attributes.ints("pads")
    if pads == nil, node.inputs.count > 1 { pads = graph.constant(node.inputs[1])?.integers }
    guard let pads, pads.count == 2 * rank else { return stop(index) }
    let still = (0..<rank).filter { pads[$0] == 0 && pads[rank + $0] == 0 }
    carry(node, axes: Dictionary(uniqueKeysWithValues: still.map { ($0, $0) }))
  }

  /// A shape follows its tensor by itself, but what is computed from it might not mean the same any more: only
  /// extents that are not channels may be read.
  private mutating func shape(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.inputs[0]) else { return stop(index) }
    let first = node.attributes.int("start") ?? 0
    let end = node.attributes.int("end") ?? rank
    var isRead = Set(
      (0..<rank).filter { $0 >= (first < 0 ? first + rank : first) && $0 < (end < 0 ? end + rank : end) })
    if first == 0, end == rank, let uses = variables.index.uses[node.outputs[0]],
      !variables.index.isGraphOutput(node.outputs[0])
    {
      var read: Set<Int>? = []
      for use in uses {
        guard use.position == 0, let places = placesRead(by: graph.nodes[use.node], of: rank) else {
          read = nil
          break
        }
        read?.formUnion(places)
      }
      if let read { isRead = read }
    }
    variables.fix(node.inputs[0], except: Set((0..<rank).filter { !isRead.contains($0) }))
  }

  /// Which of `count` extents a Gather or Slice picks; nil where that is not known before the run.
  private func placesRead(by node: Node, of count: Int) -> [Int]? {
    func constant(_ position: Int) -> [Int]? {
      guard position < node.inputs.count else { return nil }
      return graph.constant(node.inputs[position])?.integers
    }
    switch node.op {
    case "Gather": return constant(1)?.map { $0 < 0 ? $0 + count : $0 }
    case "Slice":
      // Larger steps read some of these.
      let steps = node.inputs.count > 4 ? constant(4) : [1]
      guard let start = constant(1)?.first, let end = constant(2)?.first, let step = steps?.first, step > 0
      else { return nil }
      let bounds = [start, end].map { min(max($0 < 0 ? $0 + count : $0, 0), count) }
      return Array(bounds[0]..<max(bounds[0], bounds[1]))
    default: return nil
    }
  }
}
