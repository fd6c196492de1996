import Tensors

/// Attributes that became inputs.
extension OpsetAdapter {
  /// Squeeze, Unsqueeze, ReduceSum at 13, the other reductions at 18.
  static func axesToInput(_ context: inout NodeAdaptation) throws(GraphError) {
    // An empty list meant the same as none: all axes.
    if let axes = context.node.attributes.ints("axes"), axes.isEmpty, context.node.op != "Unsqueeze" {
      context.node.attributes["axes"] = nil
    }
    try context.moveIntegers("axes", toInput: 1)
  }

  static func sliceBoundsToInputs(_ context: inout NodeAdaptation) throws(GraphError) {
    try context.moveIntegers("starts", toInput: 1)
    try context.moveIntegers("ends", toInput: 2)
    try context.moveIntegers("axes", toInput: 3)
  }

  static func splitToInput(_ context: inout NodeAdaptation) throws(GraphError) {
    try context.moveIntegers("split", toInput: 1)
  }

  /// Without `split` the parts are equal, and their number must now be said.
  static func splitNumberOfOutputs(_ context: inout NodeAdaptation) {
    if !context.hasInput(1) { context.node.attributes["num_outputs"] = .int(context.node.outputs.count) }
  }

  static func topKToInput(_ context: inout NodeAdaptation) throws(GraphError) {
    guard let k = context.node.attributes.int("k") else { throw context.invalid("k") }
    context.setInput(1, try context.addConstant([k], "k"))
    context.node.attributes["k"] = nil
  }

  static func dftAxisToInput(_ context: inout NodeAdaptation) throws(GraphError) {
    let axis = context.node.attributes.int("axis") ?? 1
    let tensor = try context.tensor { () throws(TensorError) in try Tensor(scalar: axis) }
    context.setInput(2, context.addConstant(tensor, "axis"))
    context.node.attributes["axis"] = nil
  }

  static func upsampleScalesToInput(_ context: inout NodeAdaptation) throws(GraphError) {
    guard let scales = context.node.attributes.floats("scales") else { throw context.invalid("scales") }
    let tensor = try context.tensor { () throws(TensorError) in try Tensor(shape: [scales.count], scales) }
    context.setInput(1, context.addConstant(tensor, "scales"))
    context.node.attributes["scales"] = nil
  }

  static func clipBoundsToInputs(_ context: inout NodeAdaptation) throws(GraphError) {
    // The defaults were the ends of float32's range, which mean no bound.
    let limit = Float.greatestFiniteMagnitude
    try moveFloat("min", toInput: 1, unless: -limit, &context)
    try moveFloat("max", toInput: 2, unless: limit, &context)
  }

  static func padsToInputs(_ context: inout NodeAdaptation) throws(GraphError) {
    try context.moveIntegers("pads", toInput: 1)
    try moveFloat("value", toInput: 2, unless: 0, &context)
  }

  static func dropoutRatioToInput(_ context: inout NodeAdaptation) throws(GraphError) {
    if let ratio = context.node.attributes.float("ratio") {
      let tensor = try context.tensor { () throws(TensorError) in try Tensor(scalar: ratio) }
      context.setInput(1, context.addConstant(tensor, "ratio"))
    }
    context.node.attributes["ratio"] = nil
  }

  /// Turns a float attribute into a scalar input of input 0's element type; `unless` is the default, which needs
  /// no input.
  private static func moveFloat(
    _ attribute: String, toInput index: Int, unless fallback: Float, _ context: inout NodeAdaptation
  ) throws(GraphError) {
    guard let value = context.node.attributes[attribute] else { return }
    guard case .float(let number) = value else {
      throw context.refusal("attribute '\(attribute)' is that of the calling node")
    }
    context.node.attributes[attribute] = nil
    if number == fallback { return }
    let element = context.elementType(input: 0)
    let tensor = try context.tensor { () throws(TensorError) in
      switch element {
      case .float16: try Tensor(scalar: Float16(number))
      case .float64: try Tensor(scalar: Double(number))
      default: try Tensor(scalar: number)
      }
    }
    let constant = context.addConstant(tensor, attribute)
    if element != nil {
      context.setInput(index, constant)
    } else if context.target >= 15, context.hasInput(0) {
      // CastLike is there since opset 15.
      context.setInput(
        index, context.addBefore("CastLike", [constant, context.node.inputs[0]], attribute + "_like"))
    } else {
      throw context.refusal("the element type of its input, which '\(attribute)' must have, is not known")
    }
  }
}
