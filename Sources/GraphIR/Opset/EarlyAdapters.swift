import Tensors

/// What changed between opsets 1 and 7: broadcasting that names its axis, types by name, hints for training.
extension OpsetAdapter {
  /// Until 6 the second input's extents were those of the first from `axis` on, or its last ones.
  static func numpyBroadcasting(_ context: inout NodeAdaptation) throws(GraphError) {
    let broadcasts = context.node.attributes.int("broadcast") ?? 0
    let axis = context.node.attributes.int("axis")
    context.node.attributes["broadcast"] = nil
    context.node.attributes["axis"] = nil
    guard broadcasts != 0, let axis else { return }
    try alignSecondInput(&context, axis: axis)
  }

  /// Gives input 1 as many trailing extents of 1 as it needs for its first axis to meet `axis` of input 0.
  static func alignSecondInput(_ context: inout NodeAdaptation, axis: Int) throws(GraphError) {
    guard context.hasInput(0), context.hasInput(1) else { throw context.refusal("it lacks an input") }
    if axis < 0 { throw context.refusal("attribute 'axis' is \(axis)") }
    let (left, right) = (context.node.inputs[0], context.node.inputs[1])
    if let rank = context.type(input: 0)?.dimensions?.count,
      let other = context.type(input: 1)?.dimensions?.count
    {
      let missing = rank - axis - other
      if missing <= 0 { return }
      let axes = try context.addConstant(Array(other..<(other + missing)), "axes")
      context.node.inputs[1] = context.addBefore("Unsqueeze", [right, axes], "aligned")
      return
    }
    let leftShape = context.addBefore("Shape", [left], "left_shape")
    let rightShape = context.addBefore("Shape", [right], "right_shape")
    let leftRank = context.addBefore("Shape", [leftShape], "left_rank")
    let rightRank = context.addBefore("Shape", [rightShape], "right_rank")
    let start = try context.addConstant([axis], "start")
    let end = context.addBefore("Add", [rightRank, start], "end")
    let missing = context.addBefore("Sub", [leftRank, end], "missing")
    let one = try context.tensor { () throws(TensorError) in try Tensor(shape: [1], [1]) }
    let ones = context.addBefore("ConstantOfShape", [missing], "ones", attributes: ["value": .tensor(one)])
    let shape = context.addBefore("Concat", [rightShape, ones], "shape", attributes: ["axis": .int(0)])
    context.node.inputs[1] = context.addBefore("Reshape", [right, shape], "aligned")
  }

  /// `to` was the name of a type, such as FLOAT.
  static func castTypeNames(_ context: inout NodeAdaptation) throws(GraphError) {
    guard let name = context.node.attributes.string("to") else { return }
    let numbers = [
      "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "STRING": 8,
      "BOOL": 9, "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13,
    ]
    guard let number = numbers[name] else { throw context.refusal("type '\(name)' has no equal") }
    context.node.attributes["to"] = .int(number)
  }

  static func concatAxis(_ context: inout NodeAdaptation) {
    if context.node.attributes["axis"] == nil { context.node.attributes["axis"] = .int(1) }
  }

  /// Hints that say nothing about an inference: whether Dropout trains, whether a sequence is wanted.
  static func dropAttributes(_ context: inout NodeAdaptation) {
    context.node.attributes["is_test"] = nil
    context.node.attributes["output_sequence"] = nil
  }

  static func batchNormalizationTest(_ context: inout NodeAdaptation) throws(GraphError) {
    if (context.node.attributes.int("is_test") ?? 0) == 0 {
      throw context.refusal("training mode (is_test = 0) has no equal")
    }
    context.node.attributes["is_test"] = nil
    context.node.outputs = Array(context.node.outputs.prefix(1))
  }

  static func padNames(_ context: inout NodeAdaptation) {
    guard let pads = context.node.attributes["paddings"] else { return }
    context.node.attributes["paddings"] = nil
    context.node.attributes["pads"] = pads
  }

  static func upsampleSides(_ context: inout NodeAdaptation) throws(GraphError) {
    guard let height = context.node.attributes.float("height_scale") else { return }
    guard let width = context.node.attributes.float("width_scale") else {
      throw context.invalid("width_scale")
    }
    context.node.attributes["height_scale"] = nil
    context.node.attributes["width_scale"] = nil
    context.node.attributes["scales"] = .floats([1, 1, height, width])
  }

  /// The defaults had fewer digits.
  static func seluDefaults(_ context: inout NodeAdaptation) {
    if context.node.attributes["alpha"] == nil { context.node.attributes["alpha"] = .float(1.6732) }
    if context.node.attributes["gamma"] == nil { context.node.attributes["gamma"] = .float(1.0507) }
  }

  static func normToInteger(_ context: inout NodeAdaptation) throws(GraphError) {
    guard let norm = context.node.attributes.float("p") else { return }
    guard norm == norm.rounded(), norm >= 1, norm < 1_048_576 else { throw context.invalid("p") }
    context.node.attributes["p"] = .int(Int(norm))
  }
}
