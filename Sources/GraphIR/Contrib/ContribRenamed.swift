import Tensors

/// Operators that ai.onnx has too, under the same or another name.
enum ContribRenamed {
  static let forms: [ContribForm] = [
    renamed("Trilu", inputs: 1...2, attributes: ["upper"]),
    renamed("GatherND", inputs: 2...2),
    ContribForm("com.microsoft.Range", inputs: 2...3, isComputedInFloat32: false, expand: range),
    ContribForm("com.microsoft.ExpandDims", inputs: 2...2, isComputedInFloat32: false) { e in
      let axis = try e.add("Cast", [e.input(1)], ["to": .int(ElementType.int64.onnxNumber)])
      try e.give(0, "Unsqueeze", [e.input(0), try e.add("Reshape", [axis, try e.integers(1)])])
    },
    ContribForm(
      "com.microsoft.GridSample", inputs: 2...2, attributes: ["align_corners", "mode", "padding_mode"],
      isComputedInFloat32: false
    ) { e in
      var attributes = e.node.attributes
      switch try e.node.string("mode", default: "bilinear") {
      case "bilinear": attributes["mode"] = .string("linear")
      case "bicubic": attributes["mode"] = .string("cubic")
      default: break
      }
      try e.give(0, "GridSample", e.node.inputs, attributes)
    },
    ContribForm(
      "com.microsoft.Pad", inputs: 2...3, attributes: ["mode"], isComputedInFloat32: false
    ) { e in
      // Pads may be a matrix of one row.
      let pads = try e.add("Reshape", [e.input(1), try e.integers(-1)])
      var value = e.input(2)
      if !value.isNone { value = try e.add("Squeeze", [value]) }
      try e.give(0, "Pad", [e.input(0), pads, value], e.node.attributes)
    },
    ContribForm("com.microsoft.Unique", inputs: 1...1, outputs: 1...3, isComputedInFloat32: false) { e in
      try e.give(outputs: [0, nil, 1, 2], "Unique", [e.input(0)], ["sorted": .int(0)])
    },
    ContribForm("com.microsoft.TorchEmbedding", inputs: 2...4, isComputedInFloat32: false) { e in
      try e.give(0, "Gather", [e.input(0), e.input(1)])
    },
    ContribForm(
      "com.microsoft.IsAllFinite", inputs: 1...Int.max, attributes: ["isinf_only", "isnan_only"],
      expand: isAllFinite),
    ContribForm("com.microsoft.ComplexMul", inputs: 2...2) { try complexProduct(&$0, conjugates: false) },
    ContribForm("com.microsoft.ComplexMulConj", inputs: 2...2) { try complexProduct(&$0, conjugates: true) },
    ContribForm(
      "com.microsoft.Rfft", inputs: 1...1, attributes: ["normalized", "onesided", "signal_ndim"]
    ) { e in
      try checkFourier(e)
      let x = try e.add("Unsqueeze", [e.input(0), try e.integers(-1)])
      try e.give(0, "DFT", [x], ["onesided": .int(1)])
    },
    ContribForm(
      "com.microsoft.Irfft", inputs: 1...1, attributes: ["normalized", "onesided", "signal_ndim"]
    ) { e in
      try checkFourier(e)
      let x = try e.add("DFT", [e.input(0)], ["onesided": .int(1), "inverse": .int(1)])
      try e.give(0, "Squeeze", [x, try e.integers(-1)])
    },
  ]

  private static func renamed(
    _ type: String, inputs: ClosedRange<Int>, attributes: [String] = []
  ) -> ContribForm {
    ContribForm(
      OperatorName(domain: "com.microsoft", type: type), inputs: inputs, attributes: attributes,
      isComputedInFloat32: false
    ) { try $0.give(0, OperatorName(type: type), $0.node.inputs, $0.node.attributes) }
  }

  /// Bounds may be vectors of one element; the step is 1 unless given.
  @Sendable private static func range(_ e: inout NodeExpansion) throws {
    var inputs: [ValueID] = []
    for index in 0..<3 where e.has(index) {
      let shape = e.constant(try Tensor(shape: [0], [Int]()))
      inputs.append(try e.add("Reshape", [e.input(index), shape]))
    }
    if inputs.count < 3 { inputs.append(try e.number(1, like: inputs[0])) }
    try e.give(0, "Range", inputs)
  }

  @Sendable private static func isAllFinite(_ e: inout NodeExpansion) throws {
    let (onlyInfinite, onlyNaN) = (try e.node.flag("isinf_only"), try e.node.flag("isnan_only"))
    if onlyInfinite && onlyNaN {
      throw e.error("attributes 'isinf_only' and 'isnan_only' exclude each other")
    }
    var result = ValueID.none
    for index in e.node.inputs.indices {
      let x = e.input(index)
      var isBad: ValueID
      if onlyInfinite {
        isBad = try e.add("IsInf", [x])
      } else if onlyNaN {
        isBad = try e.add("IsNaN", [x])
      } else {
        isBad = try e.add("Or", [try e.add("IsInf", [x]), try e.add("IsNaN", [x])])
      }
      let counts = try e.add("Cast", [isBad], ["to": .int(ElementType.int32.onnxNumber)])
      let count = try e.add("ReduceSum", [counts], ["keepdims": .int(0)])
      result = result.isNone ? count : try e.add("Add", [result, count])
    }
    let zero = e.constant(try Tensor(scalar: Int32(0)))
    try e.give(0, "Equal", [result, zero])
  }

  /// Real and imaginary parts are the last axis.
  private static func complexProduct(_ e: inout NodeExpansion, conjugates: Bool) throws {
    func parts(_ e: inout NodeExpansion, _ input: Int) throws -> [ValueID] {
      try e.add("Split", [e.input(input)], outputs: 2, ["axis": .int(-1), "num_outputs": .int(2)])
    }
    let (a, b) = (try parts(&e, 0), try parts(&e, 1))
    let straight = try e.add("Mul", [a[0], b[0]])
    let crossed = try e.add("Mul", [a[1], b[1]])
    let left = try e.add("Mul", [a[1], b[0]])
    let right = try e.add("Mul", [a[0], b[1]])
    let real = try e.add(conjugates ? "Add" : "Sub", [straight, crossed])
    let imaginary = try e.add(conjugates ? "Sub" : "Add", [left, right])
    try e.give(0, "Concat", [real, imaginary], ["axis": .int(-1)])
  }

  private static func checkFourier(_ e: NodeExpansion) throws {
    if try e.node.int("signal_ndim", default: 1) != 1 { throw e.error("signals have one axis") }
    if try e.node.flag("normalized") { throw e.error("attribute 'normalized' is not supported") }
    if try !e.node.flag("onesided", default: true) { throw e.error("attribute 'onesided' must be 1") }
  }
}
