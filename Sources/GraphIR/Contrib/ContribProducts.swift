import Tensors

/// Float products with transposed operands, factors and activations.
enum ContribProducts {
  private static let transpositions = ["alpha", "transA", "transB", "transBatchA", "transBatchB"]
  private static let activation = [
    "activation", "activation_alpha", "activation_axis", "activation_beta", "activation_gamma",
  ]

  static let forms: [ContribForm] = [
    ContribForm(
      "com.microsoft.FusedMatMul", inputs: 2...2, attributes: transpositions, isComputedInFloat32: false
    ) { try $0.give(0, value: try matMul(&$0)) },
    ContribForm(
      "com.microsoft.TransposeMatMul", inputs: 2...2, attributes: transpositions, isComputedInFloat32: false
    ) { try $0.give(0, value: try matMul(&$0)) },
    ContribForm(
      "com.microsoft.FusedMatMulActivation", inputs: 2...2, attributes: transpositions + activation
    ) { try $0.giveActivation(of: try matMul(&$0)) },
    ContribForm(
      "com.microsoft.FusedGemm", inputs: 2...3,
      attributes: ["alpha", "beta", "transA", "transB"] + activation, expand: gemm),
    ContribForm(
      "com.microsoft.FusedConv", inputs: 2...4,
      attributes: [
        "activation", "activation_params", "auto_pad", "dilations", "group", "kernel_shape", "pads",
        "strides",
      ], expand: convolution),
    ContribForm("com.microsoft.GemmFastGelu", inputs: 2...3) { e in
      var x = try e.add("MatMul", [e.input(0), e.input(1)])
      if e.has(2) { x = try e.add("Add", [x, e.input(2)]) }
      try e.give(0, "Gelu", [x], ["approximate": .string("tanh")])
    },
  ]

  private static func matMul(_ e: inout NodeExpansion) throws -> ValueID {
    var a = try operand(&e, 0, flag: "transA", batchFlag: "transBatchA")
    var b = try operand(&e, 1, flag: "transB", batchFlag: "transBatchB")
    let alpha = try e.node.float("alpha", default: 1)
    if alpha != 1 {
      // The factor is folded into a constant, or taken on the operand that is computed first.
      if e.constant(e.input(1)) != nil {
        b = try e.add("Mul", [b, try e.number(alpha, like: b)])
      } else {
        a = try e.add("Mul", [a, try e.number(alpha, like: a)])
      }
    }
    return try e.add("MatMul", [a, b])
  }

  /// `batchFlag`: the rows are axis 0, and the stack the axes between the first and the last.
  private static func operand(
    _ e: inout NodeExpansion, _ input: Int, flag: String, batchFlag: String
  ) throws -> ValueID {
    let x = e.input(input)
    let (isTransposed, isBatchTransposed) = (try e.node.flag(flag), try e.node.flag(batchFlag))
    if !isTransposed && !isBatchTransposed { return x }
    let rank = try e.rank(x, "input \(input)")
    if rank < 2 { return x }
    var order = Array(0..<rank)
    if isBatchTransposed { order = Array(1..<(rank - 1)) + [0, rank - 1] }
    if isTransposed { order.swapAt(rank - 2, rank - 1) }
    return try e.add("Transpose", [x], ["perm": .ints(order)])
  }

  @Sendable private static func gemm(_ e: inout NodeExpansion) throws {
    var attributes = e.node.attributes
    for name in activation { attributes[name] = nil }
    try e.giveActivation(of: try e.add("Gemm", e.node.inputs, attributes))
  }

  @Sendable private static func convolution(_ e: inout NodeExpansion) throws {
    var attributes = e.node.attributes
    attributes["activation"] = nil
    attributes["activation_params"] = nil
    var x = try e.add("Conv", [e.input(0), e.input(1), e.input(2)], attributes)
    if e.has(3) { x = try e.add("Add", [x, e.input(3)]) }
    let parameters = try e.node.floats("activation_params") ?? []
    try e.giveActivation(
      of: x, alpha: parameters.first, beta: parameters.count > 1 ? parameters[1] : nil)
  }
}

extension NodeExpansion {
  /// Provides output 0: the function of `x` that attribute `activation` names.
  mutating func giveActivation(of x: ValueID) throws {
    try giveActivation(
      of: x, alpha: try node.optionalFloat("activation_alpha"),
      beta: try node.optionalFloat("activation_beta"))
  }

  mutating func giveActivation(of x: ValueID, alpha: Float?, beta: Float?) throws {
    var attributes: Attributes = [:]
    if let alpha { attributes["alpha"] = .float(alpha) }
    let name = try node.string("activation", default: "")
    switch name {
    case "": try give(0, value: x)
    case "Relu", "Tanh", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Gelu":
      try give(0, OperatorName(type: name), [x])
    case "LeakyRelu", "Elu", "ThresholdedRelu": try give(0, OperatorName(type: name), [x], attributes)
    case "HardSigmoid":
      if let beta { attributes["beta"] = .float(beta) }
      try give(0, "HardSigmoid", [x], attributes)
    case "Clip":
      let bounds = try [alpha, beta].map { bound -> ValueID in
        guard let bound else { return .none }
        return try number(bound, like: x)
      }
      try give(0, "Clip", [x] + bounds)
    default: throw error("activation '\(name)' is not supported")
    }
  }
}
