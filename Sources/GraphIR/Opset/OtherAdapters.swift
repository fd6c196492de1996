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

  static func scanBatch(_ context: inout NodeAdaptation) throws(GraphError) {
    throw context.refusal("the batch axis of opset 8's Scan is no longer possible")
  }
}
