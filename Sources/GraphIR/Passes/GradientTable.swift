import Tensors

/// What each operator hands back to its inputs; nil for one that has no gradient.
enum GradientTable {
  typealias Shares = [ValueID?]

  /// Operators whose results do not change with small changes of their inputs.
  static func isConstant(_ op: OperatorName) -> Bool { op.domain.isEmpty && constant.contains(op.type) }

  private static let constant: Set<String> = [
    "And", "ArgMax", "ArgMin", "Ceil", "ConstantOfShape", "Equal", "Floor", "Greater", "GreaterOrEqual",
    "IsInf", "IsNaN", "Less", "LessOrEqual", "NonZero", "Not", "OneHot", "Or", "Round", "Shape", "Sign",
    "Size", "Xor",
  ]

  /// The gradient of each input, from that of the first output; nil when the operator has no gradient here.
  static func shares(_ c: inout GradientContext) throws(GraphError) -> Shares? {
    if !c.node.op.domain.isEmpty { return nil }
    switch c.node.op.type {
    case "Identity": return [c.gradient]
    case "Add":
      return [try c.reduced(c.gradient, toInput: 0), try c.reduced(c.gradient, toInput: 1)]
    case "Sub":
      return [try c.reduced(c.gradient, toInput: 0), try c.reduced(c.negated(c.gradient), toInput: 1)]
    case "Mul": return try multiplication(&c)
    case "Div": return try division(&c)
    case "Pow": return try power(&c)
    case "Sum":
      var shares: Shares = []
      for index in c.inputs.indices { shares.append(try c.reduced(c.gradient, toInput: index)) }
      return shares
    case "Transpose": return [try transposition(&c)]
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze": return [c.reshaped(c.gradient, toInput: 0)]
    case "Expand": return [try c.reduced(c.gradient, toInput: 0)]
    case "ReduceSum": return [try spread(&c, c.gradient)]
    case "ReduceMean":
      let (all, left) = (c.add("Size", [c.inputs[0]]), c.add("Size", [c.output]))
      let count = c.add("CastLike", [c.add("Div", [all, left]), c.gradient])
      return [try spread(&c, c.add("Div", [c.gradient, count]))]
    case "Cast": return [c.add("CastLike", [c.gradient, c.inputs[0]])]
    case "Where": return try selection(&c)
    case "Concat": return try concatenation(&c)
    case "MatMul": return try MatrixGradients.matMul(&c)
    case "Gemm": return try MatrixGradients.gemm(&c)
    case "Softmax", "LogSoftmax": return [try softmax(&c)]
    default: return try slope(&c).map { [c.times(c.gradient, $0)] }
    }
  }

  /// The derivative of a function of single elements; nil for other operators.
  private static func slope(_ c: inout GradientContext) throws(GraphError) -> ValueID? {
    let (x, y) = (c.inputs[0], c.output)
    switch c.node.op.type {
    case "Neg": return try c.scalar(-1)
    case "Abs": return c.add("Sign", [x])
    case "Exp": return y
    case "Log": return c.add("Reciprocal", [x])
    case "Sqrt": return c.add("Div", [try c.scalar(0.5), y])
    case "Reciprocal": return c.negated(c.times(y, y))
    case "Sin": return c.add("Cos", [x])
    case "Cos": return c.negated(c.add("Sin", [x]))
    case "Erf": return c.times(c.add("Exp", [c.negated(c.times(x, x))]), try c.scalar(1.1283791670955126))
    case "Relu": return c.add("CastLike", [c.add("Greater", [x, try c.scalar(0)]), c.gradient])
    case "Sigmoid": return c.times(y, c.add("Sub", [try c.scalar(1), y]))
    case "Tanh": return c.add("Sub", [try c.scalar(1), c.times(y, y)])
    case "Softplus": return c.add("Sigmoid", [x])
    default: return nil
    }
  }

  private static func multiplication(_ c: inout GradientContext) throws(GraphError) -> Shares {
    let (left, right) = (c.times(c.gradient, c.inputs[1]), c.times(c.gradient, c.inputs[0]))
    return [try c.reduced(left, toInput: 0), try c.reduced(right, toInput: 1)]
  }

  private static func division(_ c: inout GradientContext) throws(GraphError) -> Shares {
    let quotient = c.add("Div", [c.gradient, c.inputs[1]])
    let other = c.negated(c.times(quotient, c.output))
    return [try c.reduced(quotient, toInput: 0), try c.reduced(other, toInput: 1)]
  }

  private static func power(_ c: inout GradientContext) throws(GraphError) -> Shares {
    let (base, exponent) = (c.inputs[0], c.inputs[1])
    let typed = c.add("CastLike", [exponent, base])
    let lower = c.add("Pow", [base, c.add("Sub", [typed, try c.scalar(1)])])
    let first = c.times(c.gradient, c.times(typed, lower))
    let second = c.times(c.gradient, c.times(c.output, c.add("Log", [base])))
    return [
      try c.reduced(first, toInput: 0), try c.reduced(c.add("CastLike", [second, exponent]), toInput: 1),
    ]
  }

  private static func transposition(_ c: inout GradientContext) throws(GraphError) -> ValueID {
    guard let perm = try c.node.ints("perm") else { return c.add("Transpose", [c.gradient]) }
    var inverse = perm
    for (to, from) in perm.enumerated() where perm.indices.contains(from) { inverse[from] = to }
    return c.add("Transpose", [c.gradient], ["perm": .ints(inverse)])
  }

  /// The gradient of a sum over axes: the same for everything that was summed.
  private static func spread(_ c: inout GradientContext, _ share: ValueID) throws(GraphError) -> ValueID {
    var value = share
    if !(try c.node.flag("keepdims", default: true)), c.node.hasInput(1) {
      value = c.add("Unsqueeze", [value, c.inputs[1]])
    }
    return c.add("Expand", [value, c.add("Shape", [c.inputs[0]])])
  }

  private static func selection(_ c: inout GradientContext) throws(GraphError) -> Shares {
    let zero = try c.scalar(0)
    let yes = c.add("Where", [c.inputs[0], c.gradient, zero])
    let no = c.add("Where", [c.inputs[0], zero, c.gradient])
    return [nil, try c.reduced(yes, toInput: 1), try c.reduced(no, toInput: 2)]
  }

  private static func softmax(_ c: inout GradientContext) throws(GraphError) -> ValueID {
    let axis = try c.emitter.constant([try c.node.int("axis", default: -1)])
    let isLogarithm = c.node.op.type == "LogSoftmax"
    let terms = isLogarithm ? c.gradient : c.times(c.gradient, c.output)
    let sum = c.add("ReduceSum", [terms, axis], ["keepdims": .int(1)])
    if isLogarithm { return c.add("Sub", [c.gradient, c.times(c.add("Exp", [c.output]), sum)]) }
    return c.times(c.add("Sub", [c.gradient, sum]), c.output)
  }

  private static func concatenation(_ c: inout GradientContext) throws(GraphError) -> Shares {
    let axis = try c.node.requiredInt("axis")
    guard let rank = c.emitter.type(c.node.outputs[0])?.dimensions?.count else {
      throw c.node.error("its rank is not known, which its gradient needs")
    }
    let place = axis < 0 ? axis + rank : axis
    var extents: [ValueID] = []
    for input in c.inputs { extents.append(c.emitter.extents(input, place..<(place + 1))) }
    var outputs: [ValueID] = []
    for _ in c.inputs { outputs.append(c.emitter.newValue("Split")) }
    let sizes = c.emitter.concat(extents)
    c.emitter.add(
      Node(
        name: c.emitter.graph[outputs[0]].name, op: "Split", inputs: [c.gradient, sizes], outputs: outputs,
        attributes: ["axis": .int(place)]))
    return outputs
  }
}

/// The gradients of matrix products.
enum MatrixGradients {
  static func matMul(_ c: inout GradientContext) throws(GraphError) -> GradientTable.Shares {
    let right = try c.transposed(c.inputs[1], like: 1)
    let left = try c.transposed(c.inputs[0], like: 0)
    return [
      try product(&c, c.gradient, right, toInput: 0), try product(&c, left, c.gradient, toInput: 1),
    ]
  }

  /// A product whose leading axes may have been broadcast; its last two are the input's.
  private static func product(
    _ c: inout GradientContext, _ left: ValueID, _ right: ValueID, toInput index: Int
  ) throws(GraphError) -> ValueID {
    let value = c.add("MatMul", [left, right])
    guard let own = c.emitter.type(c.node.inputs[index])?.dimensions,
      let whole = c.emitter.type(c.node.outputs[0])?.dimensions
    else { throw c.node.error("the ranks of its operands are not known, which its gradient needs") }
    let missing = whole.count - own.count
    var axes = Array(0..<missing)
    for (axis, extent) in own.dropLast(2).enumerated() {
      if extent == .known(1) { axes.append(missing + axis) }
      if extent == .unknown || (extent.extent == nil && extent != whole[missing + axis]) {
        throw c.node.error("the extents of its operands are not known, which its gradient needs")
      }
    }
    if axes.isEmpty { return value }
    let sum = c.add("ReduceSum", [value, try c.emitter.constant(axes)], ["keepdims": .int(1)])
    return c.reshaped(sum, toInput: index)
  }

  static func gemm(_ c: inout GradientContext) throws(GraphError) -> GradientTable.Shares {
    let alpha = try c.node.float("alpha", default: 1)
    let beta = try c.node.float("beta", default: 1)
    let (a, b, g) = (c.inputs[0], c.inputs[1], c.gradient)
    let (swapsA, swapsB) = (try c.node.flag("transA"), try c.node.flag("transB"))
    func gemm(_ x: ValueID, _ y: ValueID, _ first: Bool, _ second: Bool) -> ValueID {
      c.add(
        "Gemm", [x, y],
        ["alpha": .float(alpha), "transA": .int(first ? 1 : 0), "transB": .int(second ? 1 : 0)])
    }
    let left = swapsA ? gemm(b, g, swapsB, true) : gemm(g, b, false, !swapsB)
    let right = swapsB ? gemm(g, a, true, swapsA) : gemm(a, g, !swapsA, false)
    guard c.node.hasInput(2) else { return [left, right] }
    let scaled = beta == 1 ? g : c.times(g, try c.scalar(Double(beta)))
    return [left, right, try c.reduced(scaled, toInput: 2)]
  }
}
