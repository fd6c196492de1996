import Tensors

/// Softmax and its kin, batch and group normalization.
extension OpsetAdapter {
  /// Until 12 the input was seen as a matrix, all axes from `axis` on in its rows; since 13 only one axis counts.
  static func softmaxAlongOneAxis(_ context: inout NodeAdaptation) throws(GraphError) {
    if case .reference? = context.node.attributes["axis"] {
      throw context.refusal("attribute 'axis' is that of the calling node")
    }
    let axis = context.node.attributes.int("axis") ?? 1
    let rank = context.type(input: 0)?.dimensions?.count
    context.node.attributes["axis"] = .int(-1)
    if axis == -1 || rank.map({ axis == $0 - 1 }) ?? false { return }
    guard context.hasInput(0), !context.node.outputs.isEmpty else { throw context.refusal("it has no input") }
    let input = context.node.inputs[0]
    let shape = context.addBefore("Shape", [input], "shape")
    context.node.inputs[0] = context.addBefore(
      "Flatten", [input], "matrix", attributes: ["axis": .int(axis)])
    // An extent of 0 is meant, not copied; before 14 it could not be said.
    let attributes: Attributes = context.target >= 14 ? ["allowzero": .int(1)] : [:]
    _ = context.addAfter("Reshape", "rows", inputs: { [$0, shape] }, attributes: attributes)
  }

  static func batchNormalizationSpatial(_ context: inout NodeAdaptation) throws(GraphError) {
    let isSpatial = context.node.attributes.int("spatial") ?? 1 != 0
    context.node.attributes["spatial"] = nil
    if !isSpatial { try normalizeElements(&context) }
  }

  /// `spatial = 0`: parameters and statistics of all axes but the batch; now said by elementwise operators.
  private static func normalizeElements(_ context: inout NodeAdaptation) throws(GraphError) {
    let inputs = context.node.inputs
    guard inputs.count == 5, !inputs.contains(where: \.isNone) else {
      throw context.refusal("it lacks an input")
    }
    if (1..<context.node.outputs.count).contains(where: { context.isRead(output: $0) }) {
      throw context.refusal("training with statistics per element is not possible")
    }
    let number = context.node.attributes.float("epsilon") ?? 1e-5
    let tensor = try context.tensor { () throws(TensorError) in try Tensor(scalar: number) }
    var epsilon = context.addConstant(tensor, "epsilon")
    if context.elementType(input: 0) != .float32 {
      epsilon = context.addBefore("CastLike", [epsilon, inputs[0]], "epsilon_like")
    }
    let variance = context.addBefore("Add", [inputs[4], epsilon], "variance")
    let deviation = context.addBefore("Sqrt", [variance], "deviation")
    let centred = context.addBefore("Sub", [inputs[0], inputs[3]], "centred")
    let normalized = context.addBefore("Div", [centred, deviation], "normalized")
    let scaled = context.addBefore("Mul", [normalized, inputs[1]], "scaled")
    context.node = Node(
      name: context.node.name, op: "Add", inputs: [scaled, inputs[2]],
      outputs: Array(context.node.outputs.prefix(1)))
  }

  /// Until 13 more than one output meant training mode; since 14 an attribute says so.
  static func batchNormalizationTraining(_ context: inout NodeAdaptation) throws(GraphError) {
    let outputs = context.node.outputs.dropFirst()
    if outputs.allSatisfy(\.isNone) {
      context.node.outputs = Array(context.node.outputs.prefix(1))
      return
    }
    if context.isRead(output: 3) || context.isRead(output: 4) {
      throw context.refusal("outputs saved_mean and saved_var are no longer possible")
    }
    context.node.attributes["training_mode"] = .int(1)
    context.node.outputs = Array(context.node.outputs.prefix(3))
  }

  /// `scale` and `bias` had one element per group and have one per channel: each is repeated.
  static func groupNormalizationPerChannel(_ context: inout NodeAdaptation) throws(GraphError) {
    guard let groups = context.node.attributes.int("num_groups"), groups > 0 else {
      throw context.invalid("num_groups")
    }
    guard context.hasInput(0), context.hasInput(1), context.hasInput(2) else {
      throw context.refusal("it lacks an input")
    }
    let shape = context.addBefore(
      "Shape", [context.node.inputs[0]], "channels", attributes: ["start": .int(1), "end": .int(2)])
    let groupCount = try context.addConstant([groups], "groups")
    let perGroup = context.addBefore("Div", [shape, groupCount], "channels_per_group")
    let one = try context.addConstant([1], "one")
    let repeats = context.addBefore("Concat", [one, perGroup], "repeats", attributes: ["axis": .int(0)])
    let column = try context.addConstant([-1, 1], "column")
    let flat = try context.addConstant([-1], "flat")
    for (index, name) in [(1, "scale"), (2, "bias")] {
      let asColumn = context.addBefore("Reshape", [context.node.inputs[index], column], "\(name)_column")
      let repeated = context.addBefore("Expand", [asColumn, repeats], "\(name)_repeated")
      context.node.inputs[index] = context.addBefore("Reshape", [repeated, flat], "\(name)_per_channel")
    }
  }
}
