/// Renamed operators and modes, changed defaults, and what has no equal.
extension OpsetAdapter {
  /// The mask had the data's type and is boolean since 10.
  static func dropoutMaskToBool(_ context: inout NodeAdaptation) throws(GraphError) {
    if !context.isRead(output: 1) {
      context.node.outputs = Array(context.node.outputs.prefix(1))
      return
    }
    guard let element = context.elementType(input: 0) else {
      throw context.refusal("the element type of its input, which its mask must have, is not known")
    }
    _ = context.addAfter(
      "Cast", "mask", output: 1, inputs: { [$0] }, attributes: ["to": .int(element.onnxNumber)])
  }

  static func scatterToScatterElements(_ context: inout NodeAdaptation) {
    context.node.op = "ScatterElements"
  }

  /// The default moved half a pixel.
  static func roiAlignCoordinates(_ context: inout NodeAdaptation) {
    context.node.attributes["coordinate_transformation_mode"] = .string("output_half_pixel")
  }

  static func gridSampleModeNames(_ context: inout NodeAdaptation) {
    switch context.node.attributes.string("mode") {
    case "bilinear"?: context.node.attributes["mode"] = .string("linear")
    case "bicubic"?: context.node.attributes["mode"] = .string("cubic")
    default: break
    }
  }

  /// Opset 8 scanned each entry of a batch, axis 0 of all inputs and outputs: a Scan over the batch whose body is
  /// the Scan over the sequence.
  static func scanBatch(_ context: inout NodeAdaptation) throws(GraphError) {
    var node = context.node
    if context.hasInput(0) { throw context.refusal("sequence_lens is no longer possible") }
    guard !node.inputs.isEmpty, case .graph(var body)? = node.attributes["body"] else {
      throw context.refusal("it lacks inputs or a body")
    }
    node.inputs.removeFirst()
    if let directions = node.attributes["directions"] {
      node.attributes["directions"] = nil
      node.attributes["scan_input_directions"] = directions
    }
    var entry = Graph(name: context.names.next("\(context.label)_entry"))
    func addValue(_ outer: ValueID, _ suffix: String) -> ValueID {
      let element = outer.isNone ? nil : context.graph[outer].type?.tensor?.element
      return entry.addValue(
        Value(
          name: context.names.next("\(context.label)_\(suffix)"),
          type: element.map { .tensor(TensorType($0, nil)) }))
    }
    entry.inputs = node.inputs.map { addValue($0, "entry_input") }
    entry.outputs = node.outputs.map { addValue($0, "entry_output") }
    for index in body.captures.indices {
      let outer = body.captures[index].outer
      let inner = addValue(outer, "captured")
      entry.captures.append(Capture(outer: outer, inner: inner))
      body.captures[index].outer = inner
    }
    var inner = node
    inner.name = context.names.next("\(context.label)_entry_scan")
    inner.inputs = entry.inputs
    inner.outputs = entry.outputs
    inner.attributes["body"] = .graph(body)
    entry.nodes = [inner]
    node.attributes = ["body": .graph(entry), "num_scan_inputs": .int(node.inputs.count)]
    context.node = node
  }
}
