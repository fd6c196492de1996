import Tensors

/// Quantized operators: each dequantizes, computes, and quantizes again. Fusion makes integer products of them.
enum ContribQuantization {
  static let forms: [ContribForm] = [
    binary("QLinearAdd", "Add"), binary("QLinearMul", "Mul"),
    unary("QLinearSigmoid", "Sigmoid"), unary("QLinearLeakyRelu", "LeakyRelu", attributes: ["alpha"]),
    ContribForm(
      "com.microsoft.QLinearConcat", inputs: 5...Int.max, attributes: ["axis"], expand: concat),
    ContribForm(
      "com.microsoft.QLinearSoftmax", inputs: 5...5, attributes: ["axis", "opset"], expand: softmax),
    ContribForm(
      "com.microsoft.QLinearReduceMean", inputs: 4...5, attributes: ["axes", "keepdims"], expand: reduceMean),
    ContribForm("com.microsoft.QLinearWhere", inputs: 9...9, expand: select),
    ContribForm(
      "com.microsoft.QGemm", inputs: 6...9, attributes: ["alpha", "transA", "transB"], expand: gemm),
    ContribForm("com.microsoft.DynamicQuantizeMatMul", inputs: 3...5, expand: dynamicMatMul),
    ContribForm("com.microsoft.MatMulIntegerToFloat", inputs: 4...7, expand: matMulToFloat),
    ContribForm(
      "com.microsoft.QuantizeLinear", inputs: 2...3, attributes: ["axis", "block_size"],
      isComputedInFloat32: false
    ) { try $0.give(0, "QuantizeLinear", $0.node.inputs, $0.node.attributes) },
    ContribForm(
      "com.microsoft.DequantizeLinear", inputs: 2...3, attributes: ["axis", "block_size"],
      isComputedInFloat32: false
    ) { try $0.give(0, "DequantizeLinear", $0.node.inputs, $0.node.attributes) },
    ContribForm("com.microsoft.MulInteger", inputs: 3...4, required: 1, expand: multiplyIntegers),
    ContribForm(
      "com.microsoft.ReduceSumInteger", inputs: 1...1, attributes: ["axes", "keepdims"],
      expand: sumIntegers),
  ]

  private static func binary(_ name: String, _ op: OperatorName) -> ContribForm {
    ContribForm(OperatorName(domain: "com.microsoft", type: name), inputs: 7...8, required: 2) { e in
      let a = try e.dequantized(0)
      let b = try e.dequantized(3)
      try e.giveQuantized(try e.add(op, [a, b]), scale: 6, like: 0)
    }
  }

  private static func unary(_ name: String, _ op: OperatorName, attributes: [String] = []) -> ContribForm {
    ContribForm(
      OperatorName(domain: "com.microsoft", type: name), inputs: 4...5, required: 2, attributes: attributes
    ) { e in
      try e.giveQuantized(try e.add(op, [try e.dequantized(0)], e.node.attributes), scale: 3, like: 0)
    }
  }

  @Sendable private static func concat(_ e: inout NodeExpansion) throws {
    let count = e.node.inputs.count
    if count % 3 != 2 { throw e.error("each tensor comes with a scale and a zero point") }
    let parts = try stride(from: 2, to: count, by: 3).map { try e.dequantized($0) }
    let joined = try e.add("Concat", parts, ["axis": .int(try e.node.requiredInt("axis"))])
    try e.give(0, "QuantizeLinear", [joined, e.input(0), e.input(1)])
  }

  @Sendable private static func softmax(_ e: inout NodeExpansion) throws {
    let x = try e.dequantized(0)
    let opset = try e.node.int("opset", default: 13)
    let axis = try e.node.int("axis", default: opset < 13 ? 1 : -1)
    let y = opset < 13 ? try e.softmaxOfRows(x, from: axis) : try e.add("Softmax", [x], ["axis": .int(axis)])
    try e.giveQuantized(y, scale: 3, like: 0)
  }

  @Sendable private static func reduceMean(_ e: inout NodeExpansion) throws {
    let axes = try e.node.ints("axes") ?? []
    let inputs = [try e.dequantized(0), e.constant(try Tensor(shape: [axes.count], axes))]
    let mean = try e.add(
      "ReduceMean", inputs, ["keepdims": .int(try e.node.int("keepdims", default: 1))])
    try e.giveQuantized(mean, scale: 3, like: 0)
  }

  @Sendable private static func select(_ e: inout NodeExpansion) throws {
    let chosen = try e.add("Where", [e.input(0), try e.dequantized(1), try e.dequantized(4)])
    try e.giveQuantized(chosen, scale: 7, like: 1)
  }

  /// alpha * a_scale * b_scale * (A B + C), C an int32 of that scale.
  @Sendable private static func gemm(_ e: inout NodeExpansion) throws {
    let alpha = try e.node.float("alpha", default: 1)
    let isTransposed = try e.node.flag("transB")
    let a = try e.dequantized(0, scale: 1, zeroPoint: 2)
    let b = try e.dequantized(3, scale: 4, zeroPoint: 5, axis: isTransposed ? 0 : 1)
    var inputs = [a, b]
    if e.has(6) {
      let c = try e.add("Cast", [e.input(6)], ["to": .int(ElementType.float32.onnxNumber)])
      inputs.append(try e.add("Mul", [c, try e.add("Mul", [e.input(1), e.input(4)])]))
    }
    let attributes: Attributes = [
      "alpha": .float(alpha), "beta": .float(alpha), "transB": .int(isTransposed ? 1 : 0),
      "transA": .int(try e.node.int("transA", default: 0)),
    ]
    if e.has(7) {
      if !e.has(8) { throw e.error("the result's scale comes with a zero point") }
      try e.giveQuantized(try e.add("Gemm", inputs, attributes), scale: 7, like: 8)
    } else {
      try e.give(0, "Gemm", inputs, attributes)
    }
  }

  /// A, B, b_scale, b_zero_point, bias
  @Sendable private static func dynamicMatMul(_ e: inout NodeExpansion) throws {
    let quantized = try e.add("DynamicQuantizeLinear", [e.input(0)], outputs: 3)
    try integerProduct(
      &e, a: quantized[0], b: e.input(1), aScale: quantized[1], bScale: e.input(2),
      aZeroPoint: quantized[2], bZeroPoint: e.input(3), bias: e.input(4))
  }

  /// A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias
  @Sendable private static func matMulToFloat(_ e: inout NodeExpansion) throws {
    // The form that is joined with the quantization of A, when it is that of the whole of A at run time.
    if e.writer(e.input(0)) == "DynamicQuantizeLinear" {
      return try integerProduct(
        &e, a: e.input(0), b: e.input(1), aScale: e.input(2), bScale: e.input(3), aZeroPoint: e.input(4),
        bZeroPoint: e.input(5), bias: e.input(6))
    }
    let a = try e.dequantized(0, scale: 2, zeroPoint: 4)
    let b = try e.dequantized(1, scale: 3, zeroPoint: 5, axis: -1)
    let product = try e.add("MatMul", [a, b])
    if e.has(6) { return try e.give(0, "Add", [product, e.input(6)]) }
    try e.give(0, value: product)
  }

  private static func integerProduct(
    _ e: inout NodeExpansion, a: ValueID, b: ValueID, aScale: ValueID, bScale: ValueID, aZeroPoint: ValueID,
    bZeroPoint: ValueID, bias: ValueID
  ) throws {
    let sum = try e.add("MatMulInteger", [a, b, aZeroPoint, bZeroPoint])
    let floats = try e.add("Cast", [sum], ["to": .int(ElementType.float32.onnxNumber)])
    let product = try e.add("Mul", [floats, try e.add("Mul", [aScale, bScale])])
    if !bias.isNone { return try e.give(0, "Add", [product, bias]) }
    try e.give(0, value: product)
  }

  /// (A - A_zero_point) * (B - B_zero_point) in int32.
  @Sendable private static func multiplyIntegers(_ e: inout NodeExpansion) throws {
    func wide(_ e: inout NodeExpansion, _ input: Int) throws -> ValueID {
      let int32: Attributes = ["to": .int(ElementType.int32.onnxNumber)]
      let x = try e.add("Cast", [e.input(input)], int32)
      return e.has(input + 1) ? try e.add("Sub", [x, try e.add("Cast", [e.input(input + 1)], int32)]) : x
    }
    if !e.has(2) { throw e.error("input 2 is required") }
    let (a, b) = (try wide(&e, 0), try wide(&e, 2))
    try e.give(0, "Mul", [a, b])
  }

  @Sendable private static func sumIntegers(_ e: inout NodeExpansion) throws {
    let type: ElementType = e.element(e.input(0)) == .uint8 ? .uint32 : .int32
    let axes = try e.node.ints("axes") ?? []
    let inputs = [
      try e.add("Cast", [e.input(0)], ["to": .int(type.onnxNumber)]),
      e.constant(try Tensor(shape: [axes.count], axes)),
    ]
    try e.give(0, "ReduceSum", inputs, ["keepdims": .int(try e.node.int("keepdims", default: 1))])
  }
}

extension NodeExpansion {
  /// Input `index` in float32; its scale and zero point are the next two inputs.
  mutating func dequantized(_ index: Int) throws -> ValueID {
    try dequantized(index, scale: index + 1, zeroPoint: index + 2)
  }

  mutating func dequantized(_ index: Int, scale: Int, zeroPoint: Int, axis: Int? = nil) throws -> ValueID {
    // Concat also takes tensors that are not quantized.
    if element(input(index)) == .float32 { return input(index) }
    return try add(
      "DequantizeLinear", [input(index), input(scale), input(zeroPoint)],
      axis.map { ["axis": .int($0)] } ?? [:])
  }

  /// Provides output 0 with the scale at input `scale` and the zero point that follows it: 0 in the type of input
  /// `other` when it is omitted.
  mutating func giveQuantized(_ value: ValueID, scale: Int, like other: Int) throws {
    var zeroPoint = input(scale + 1)
    if zeroPoint.isNone {
      guard let element = element(input(other)) else {
        throw error("the type of input \(other) is not known")
      }
      zeroPoint = constant(try Tensor(type: element, shape: .scalar))
    }
    try give(0, "QuantizeLinear", [value, input(scale), zeroPoint])
  }

  /// Softmax of rows that hold all axes from `axis` on.
  mutating func softmaxOfRows(_ x: ValueID, from axis: Int) throws -> ValueID {
    let last = (type(x)?.dimensions?.count).map { $0 - 1 }
    if axis == -1 || axis == last {
      return try add("Softmax", [x], ["axis": .int(-1)])
    }
    let rows = try add("Flatten", [x], ["axis": .int(axis)])
    let softmax = try add("Softmax", [rows], ["axis": .int(-1)])
    return try add("Reshape", [softmax, try add("Shape", [x])])
  }
}
