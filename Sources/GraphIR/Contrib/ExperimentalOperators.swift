import Tensors

/// The experimental operators that ai.onnx dropped with opset 10, and old exports still hold.
enum ExperimentalOperators {
  static let forms: [ContribForm] = [
    ContribForm("Affine", inputs: 1...1, attributes: ["alpha", "beta"]) { e in
      try e.give(0, value: try scaled(&e, e.input(0), try e.node.float("alpha", default: 1), "beta"))
    },
    ContribForm("Scale", inputs: 1...1, attributes: ["scale"]) { e in
      try e.give(
        0, "Mul",
        [e.input(0), try e.number(try e.node.float("scale", default: 1), like: e.input(0))])
    },
    ContribForm("ScaledTanh", inputs: 1...1, attributes: ["alpha", "beta"]) { e in
      let x = e.input(0)
      let inner = try e.add("Mul", [x, try e.number(try e.node.float("beta", default: 1), like: x)])
      let y = try e.add("Tanh", [inner])
      try e.give(0, "Mul", [y, try e.number(try e.node.float("alpha", default: 1), like: x)])
    },
    ContribForm("ParametricSoftplus", inputs: 1...1, attributes: ["alpha", "beta"]) { e in
      let x = e.input(0)
      let inner = try e.add("Mul", [x, try e.number(try e.node.float("beta", default: 1), like: x)])
      let y = try e.add("Softplus", [inner])
      try e.give(0, "Mul", [y, try e.number(try e.node.float("alpha", default: 1), like: x)])
    },
    ContribForm("ImageScaler", inputs: 1...1, attributes: ["bias", "scale"], expand: imageScaler),
    ContribForm(
      "Crop", inputs: 1...1, attributes: ["border", "scale"], isComputedInFloat32: false, expand: crop),
  ]

  private static func scaled(
    _ e: inout NodeExpansion, _ x: ValueID, _ factor: Float, _ term: String
  ) throws -> ValueID {
    let product = try e.add("Mul", [x, try e.number(factor, like: x)])
    return try e.add("Add", [product, try e.number(try e.node.float(term, default: 0), like: x)])
  }

  @Sendable private static func imageScaler(_ e: inout NodeExpansion) throws {
    let x = e.input(0)
    let bias = try e.node.floats("bias") ?? []
    let product = try e.add(
      "Mul", [x, try e.number(try e.node.float("scale", default: 1), like: x)])
    if bias.isEmpty { return try e.give(0, value: product) }
    let column = e.constant(try Tensor(shape: [bias.count, 1, 1], bias))
    try e.give(0, "Add", [product, try e.add("CastLike", [column, x])])
  }

  /// Cuts off left, top, right and bottom, or, with `scale`, cuts out that height and width from the left top.
  @Sendable private static func crop(_ e: inout NodeExpansion) throws {
    let border = try e.node.ints("border") ?? []
    if border.count != 4 || border.contains(where: { $0 < 0 || $0 > 1 << 30 }) {
      throw e.error("attribute 'border' must be four sizes")
    }
    let starts = try e.integers(border[1], border[0])
    let axes = try e.integers(2, 3)
    if let scale = try e.node.ints("scale") {
      if scale.count != 2 || scale.contains(where: { $0 < 0 || $0 > 1 << 30 }) {
        throw e.error("attribute 'scale' must be a height and a width")
      }
      let ends = try e.integers(border[1] + scale[0], border[0] + scale[1])
      return try e.give(0, "Slice", [e.input(0), starts, ends, axes])
    }
    let shape = try e.add("Shape", [e.input(0)], ["start": .int(2), "end": .int(4)])
    let ends = try e.add("Sub", [shape, try e.integers(border[3], border[2])])
    try e.give(0, "Slice", [e.input(0), starts, ends, axes])
  }
}
