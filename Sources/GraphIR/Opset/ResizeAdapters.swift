import Tensors

/// Upsample and Resize, whose rules for coordinates and rounding were first said in words, then by attributes.
extension OpsetAdapter {
  static func upsampleToResize(_ context: inout NodeAdaptation) {
    context.node.op = "Resize"
    // Upsampling never shrinks, which the step to 11 must know even when the scales are computed.
    context.node.attributes[onlyGrows] = .int(1)
  }

  /// A mark between the steps to 10 and 11; no file has it.
  private static let onlyGrows = "adze_only_grows"

  /// Opset 10 has the coordinates that 11 calls asymmetric; nearest takes the element below when growing, and
  /// above when shrinking (test_resize_downsample_scales_nearest of opset 10, as onnxruntime computes it).
  static func resizeModes(_ context: inout NodeAdaptation) throws(GraphError) {
    let onlyGrows = context.node.attributes[onlyGrows] != nil
    context.node.attributes[self.onlyGrows] = nil
    context.node.attributes["coordinate_transformation_mode"] = .string("asymmetric")
    guard context.hasInput(0), context.hasInput(1) else { throw context.refusal("it has no scales") }
    if context.node.attributes.string("mode") ?? "nearest" == "nearest" {
      let rounding = nearestRounding(onlyGrows: onlyGrows, context)
      context.node.attributes["nearest_mode"] = .string(rounding ?? "floor")
      if rounding == nil { try shrinkFirst(&context) }
    }
    let scales = context.node.inputs[1]
    // `roi` became optional in 13 only: until then an empty tensor stands for none.
    let roi = try context.tensor { () throws(TensorError) in try Tensor(shape: [0], [Float]()) }
    context.setInput(1, context.addConstant(roi, "roi"))
    context.setInput(2, scales)
  }

  /// nil when the scales are computed, or grow one axis and shrink another.
  private static func nearestRounding(onlyGrows: Bool, _ context: NodeAdaptation) -> String? {
    if onlyGrows { return "floor" }
    guard let scales = context.constant(input: 1), scales.type == .float32 else { return nil }
    let factors = scales.array(of: Float.self)
    if factors.allSatisfy({ $0 >= 1 }) { return "floor" }
    return factors.allSatisfy({ $0 <= 1 }) ? "ceil" : nil
  }

  /// Axes are independent of each other: those that shrink do so in a node of their own, before the others grow.
  private static func shrinkFirst(_ context: inout NodeAdaptation) throws(GraphError) {
    let one = try context.tensor { () throws(TensorError) in try Tensor(scalar: Float(1)) }
    let unit = context.addConstant(one, "one")
    let scales = context.node.inputs[1]
    let factors = context.addBefore("Min", [scales, unit], "shrinking")
    context.node.inputs[0] = context.addBefore(
      "Resize", [context.node.inputs[0], .none, factors], "shrunk",
      attributes: [
        "mode": .string("nearest"), "coordinate_transformation_mode": .string("asymmetric"),
        "nearest_mode": .string("ceil"),
      ])
    context.node.inputs[1] = context.addBefore("Max", [scales, unit], "growing")
  }

  /// Empty tensors stood for inputs that are not there; one coordinate mode went.
  static func resizeOptionalInputs(_ context: inout NodeAdaptation) throws(GraphError) {
    let mode = context.node.attributes.string("coordinate_transformation_mode")
    if mode != "tf_crop_and_resize" { context.setInput(1, .none) }
    if context.hasInput(3) { context.setInput(2, .none) }
    if mode != "tf_half_pixel_for_nn" { return }
    // floor(x + 1/2) of half-pixel coordinates is what rounding half up makes of them.
    let isNearest = context.node.attributes.string("mode") ?? "nearest" == "nearest"
    guard isNearest, context.node.attributes.string("nearest_mode") == "floor" else {
      throw context.refusal("tf_half_pixel_for_nn went, and only nearest with floor has an equal")
    }
    context.node.attributes["coordinate_transformation_mode"] = .string("half_pixel")
    context.node.attributes["nearest_mode"] = .string("round_prefer_ceil")
  }
}
