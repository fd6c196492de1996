import GraphIR
import Tensors

extension Fusion {
  private static let fusedForms: [OperatorName: OperatorName] = [
    "MatMul": FusedOperator.matMul, FusedOperator.matMul: FusedOperator.matMul, "Gemm": FusedOperator.gemm,
    "Conv": FusedOperator.conv, FusedOperator.dynamicMatMul: FusedOperator.dynamicMatMul,
    FusedOperator.quantizedMatMul: FusedOperator.quantizedMatMul,
    FusedOperator.quantizedConv: FusedOperator.quantizedConv,
    FusedOperator.scaleShift: FusedOperator.scaleShift, FusedOperator.convNHWC: FusedOperator.convNHWC,
    "com.microsoft.MatMulNBits": FusedOperator.blockMatMul,
    FusedOperator.blockMatMul: FusedOperator.blockMatMul,
  ]

  /// A product or convolution, then a function of each element: one node.
  static func joinActivations(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join activations", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() {
      guard view.element(node.outputs.first ?? .none) == .float32, let input = node.inputs.first,
        let writer = view.uses.writer(of: input), view.uses.readCount(of: input) == 1,
        !view.uses.isOutput(input),
        let fusedOp = fusedForms[graph.nodes[writer].op],
        graph.nodes[writer].attributes[Activation.AttributeName.op] == nil,
        let activation = try describe(node, view)
      else { continue }
      var fused = graph.nodes[writer]
      fused.op = fusedOp
      fused.outputs = node.outputs
      fused.attributes[Activation.AttributeName.op] = .string(activation.op)
      fused.attributes[Activation.AttributeName.alpha] = .float(activation.alpha)
      fused.attributes[Activation.AttributeName.beta] = .float(activation.beta)
      patch.replace(index, with: fused)
      patch.remove(writer)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  /// The name and numbers by which `Activation` makes the function of `node` again.
  private static func describe(_ node: Node, _ view: FusionView) throws -> (
    op: String, alpha: Float, beta: Float
  )? {
    guard let activation = try Activation(node: node, constant: view.constant) else { return nil }
    let isTanhGelu = try node.op == "Gelu" && GeluAttributes(node).approximation == .tanh
    return (isTanhGelu ? "GeluTanh" : node.op.type, activation.alpha, activation.beta)
  }

  /// x / sqrt(2) -> Erf -> + 1 -> times x -> times 0.5, in the orders that exporters write, or the same with Tanh of
  /// sqrt(2 / pi) (x + 0.044715 x^3): one Gelu. x times Sigmoid(alpha x): one Swish; x times HardSigmoid: one HardSwish.
  /// Clip(x + 3, 0, 6) / 6: one HardSigmoid, and with x times that one HardSwish.
  static func joinSpelledActivations(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join spelled activations", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "Mul" || node.op == "Div" {
      guard view.element(node.outputs[0]) == .float32,
        let match = node.op == "Div"
          ? clipped(node, view) : gelu(node, view) ?? gated(node, view) ?? clipped(node, view)
      else { continue }
      patch.replace(
        index,
        with: Node(
          name: node.name, op: match.op, inputs: [match.input], outputs: node.outputs,
          attributes: match.attributes))
      for inner in match.nodes { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private struct SpelledActivation {
    let op: OperatorName
    let input: ValueID
    let nodes: [Int]
    var attributes: Attributes = [:]
  }

  /// x * Sigmoid(alpha x) and x * HardSigmoid(x).
  private static func gated(_ node: Node, _ view: FusionView) -> SpelledActivation? {
    for side in 0...1 {
      let x = node.inputs[1 - side]
      guard let gate = view.soleWriter(node.inputs[side], "Sigmoid", "HardSigmoid") else { continue }
      let inner = gate.node.inputs[0]
      if gate.node.op == "HardSigmoid" {
        guard inner == x, abs((gate.node.attributes.float("alpha") ?? 0.2) - 1.0 / 6) < 1e-6,
          (gate.node.attributes.float("beta") ?? 0.5) == 0.5
        else { continue }
        return SpelledActivation(op: "HardSwish", input: x, nodes: [gate.index])
      }
      if inner == x { return SpelledActivation(op: "Swish", input: x, nodes: [gate.index]) }
      guard let scaled = view.soleWriter(inner, "Mul"), let alpha = constantOperand(scaled.node, view),
        alpha.other == x
      else { continue }
      return SpelledActivation(
        op: "Swish", input: x, nodes: [gate.index, scaled.index], attributes: ["alpha": .float(alpha.value)])
    }
    return nil
  }

  /// A sixth of Clip(x + 3, 0, 6), and x times that.
  private static func clipped(_ node: Node, _ view: FusionView) -> SpelledActivation? {
    if let value = sixth(node, view) {
      // Clip / 6, and (x Clip) / 6
      if let gate = clippedSum(value, view) {
        return SpelledActivation(
          op: "HardSigmoid", input: gate.x, nodes: gate.nodes,
          attributes: ["alpha": .float(1.0 / 6), "beta": .float(0.5)])
      }
      guard let product = view.soleWriter(value, "Mul") else { return nil }
      for side in 0...1 {
        guard let gate = clippedSum(product.node.inputs[side], view),
          gate.x == product.node.inputs[1 - side]
        else { continue }
        return SpelledActivation(op: "HardSwish", input: gate.x, nodes: [product.index] + gate.nodes)
      }
      return nil
    }
    if node.op == "Div" { return nil }
    // x (Clip / 6)
    for side in 0...1 {
      guard let scaled = view.soleWriter(node.inputs[side], "Mul", "Div"),
        let value = sixth(scaled.node, view), let gate = clippedSum(value, view),
        gate.x == node.inputs[1 - side]
      else { continue }
      return SpelledActivation(op: "HardSwish", input: gate.x, nodes: [scaled.index] + gate.nodes)
    }
    return nil
  }

  /// What `node` gives a sixth of.
  private static func sixth(_ node: Node, _ view: FusionView) -> ValueID? {
    if node.op == "Div" { return view.scalar(node.inputs[1]) == 6 ? node.inputs[0] : nil }
    guard let number = constantOperand(node, view), abs(number.value - 1.0 / 6) < 1e-7 else { return nil }
    return number.other
  }

  private static func clippedSum(_ id: ValueID, _ view: FusionView) -> (x: ValueID, nodes: [Int])? {
    guard let clip = view.soleWriter(id, "Clip"), clip.node.hasInput(1), clip.node.hasInput(2),
      view.scalar(clip.node.inputs[1]) == 0, view.scalar(clip.node.inputs[2]) == 6,
      let sum = view.soleWriter(clip.node.inputs[0], "Add"), let number = constantOperand(sum.node, view),
      number.value == 3
    else { return nil }
    return (number.other, [clip.index, sum.index])
  }

  private static func gelu(_ node: Node, _ view: FusionView) -> SpelledActivation? {
    // (x * (1 + f)) * 0.5
    if let half = constantOperand(node, view), half.value == 0.5,
      let product = view.soleWriter(half.other, "Mul")
    {
      for side in 0...1 {
        let x = product.node.inputs[1 - side]
        if let match = gelu(x, gate: product.node.inputs[side], [product.index], view) { return match }
      }
    }
    // (x * 0.5) * (1 + f), and x * (0.5 * (1 + f))
    for side in 0...1 {
      guard let scaled = view.soleWriter(node.inputs[side], "Mul"),
        let half = constantOperand(scaled.node, view), half.value == 0.5
      else { continue }
      let other = node.inputs[1 - side]
      if let match = gelu(half.other, gate: other, [scaled.index], view) { return match }
      if let match = gelu(other, gate: half.other, [scaled.index], view) { return match }
    }
    return nil
  }

  /// `gate` is 1 + erf(x / sqrt(2)), or 1 + tanh(…).
  private static func gelu(
    _ x: ValueID, gate: ValueID, _ nodes: [Int], _ view: FusionView
  ) -> SpelledActivation? {
    guard let sum = view.soleWriter(gate, "Add"), let one = constantOperand(sum.node, view), one.value == 1,
      let function = view.soleWriter(one.other, "Erf", "Tanh")
    else { return nil }
    let nodes = nodes + [sum.index, function.index]
    let argument = function.node.inputs[0]
    if function.node.op == "Erf" {
      guard let scaled = scaled(argument, by: Float(0.5).squareRoot(), view), scaled.input == x else {
        return nil
      }
      return SpelledActivation(op: "Gelu", input: x, nodes: nodes + [scaled.index])
    }
    guard let scaled = scaled(argument, by: (2 / Float.pi).squareRoot(), view),
      let cubic = view.soleWriter(scaled.input, "Add")
    else { return nil }
    for side in 0...1 where cubic.node.inputs[side] == x {
      guard let factor = view.soleWriter(cubic.node.inputs[1 - side], "Mul"),
        let number = constantOperand(factor.node, view), abs(number.value - 0.044715) < 1e-5,
        let power = cube(number.other, of: x, view)
      else { continue }
      return SpelledActivation(
        op: "Gelu", input: x, nodes: nodes + [scaled.index, cubic.index, factor.index] + power,
        attributes: ["approximate": .string("tanh")])
    }
    return nil
  }

  /// What `id` is `factor` times of, or what it is the quotient of by one over `factor`.
  private static func scaled(_ id: ValueID, by factor: Float, _ view: FusionView) -> (
    index: Int, input: ValueID
  )? {
    guard let (index, node) = view.soleWriter(id, "Mul", "Div") else { return nil }
    if node.op == "Div" {
      guard let divisor = view.scalar(node.inputs[1]), abs(divisor - 1 / factor) < 1e-4 else { return nil }
      return (index, node.inputs[0])
    }
    guard let number = constantOperand(node, view), abs(number.value - factor) < 1e-4 else { return nil }
    return (index, number.other)
  }

  /// The nodes of x^3: Pow, or two products.
  private static func cube(_ id: ValueID, of x: ValueID, _ view: FusionView) -> [Int]? {
    guard let (index, node) = view.soleWriter(id, "Pow", "Mul") else { return nil }
    if node.op == "Pow" {
      return node.inputs[0] == x && view.scalarValue(node.inputs[1]) == 3 ? [index] : nil
    }
    for side in 0...1 where node.inputs[side] == x {
      if let square = view.soleWriter(node.inputs[1 - side], "Mul"), square.node.inputs == [x, x] {
        return [index, square.index]
      }
    }
    return nil
  }
}
