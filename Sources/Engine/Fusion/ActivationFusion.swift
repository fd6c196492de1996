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

  /// x / sqrt(2) -> Erf -> + 1 -> times x -> times 0.5, in the orders that exporters write: one Gelu.
  static func joinErfGelu(_ graph: inout Graph) throws -> Int {
    let view = FusionView(graph)
    var patch = GraphPatch("join Gelu", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "Mul" {
      guard view.element(node.outputs[0]) == .float32, let match = gelu(node, view) else { continue }
      patch.replace(
        index, with: Node(name: node.name, op: "Gelu", inputs: [match.input], outputs: node.outputs))
      for inner in match.nodes { patch.remove(inner) }
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  private static func gelu(_ node: Node, _ view: FusionView) -> (input: ValueID, nodes: [Int])? {
    // (x * (erf + 1)) * 0.5
    if let half = constantFactor(node, view), half.value == 0.5,
      let product = view.soleWriter(half.other, "Mul")
    {
      for side in 0...1 {
        if let sum = erfPlusOne(product.node.inputs[side], of: product.node.inputs[1 - side], view) {
          return (product.node.inputs[1 - side], sum + [product.index])
        }
      }
    }
    // (x * 0.5) * (erf + 1)
    for side in 0...1 {
      guard let scaled = view.soleWriter(node.inputs[side], "Mul"),
        let half = constantFactor(scaled.node, view), half.value == 0.5,
        let sum = erfPlusOne(node.inputs[1 - side], of: half.other, view)
      else { continue }
      return (half.other, sum + [scaled.index])
    }
    return nil
  }

  /// The nodes of `erf(x / sqrt(2)) + 1` when `id` is that.
  private static func erfPlusOne(_ id: ValueID, of x: ValueID, _ view: FusionView) -> [Int]? {
    guard let sum = view.soleWriter(id, "Add"), let one = constantFactor(sum.node, view), one.value == 1,
      let erf = view.soleWriter(one.other, "Erf"),
      let scaled = view.soleWriter(erf.node.inputs[0], "Div", "Mul"), scaled.node.inputs[0] == x,
      let factor = view.scalar(scaled.node.inputs[1])
    else { return nil }
    let wanted = scaled.node.op == "Div" ? Float(2).squareRoot() : Float(0.5).squareRoot()
    return abs(factor - wanted) < 1e-4 ? [sum.index, erf.index, scaled.index] : nil
  }

  private static func constantFactor(_ node: Node, _ view: FusionView) -> (value: Float, other: ValueID)? {
    for side in 0...1 {
      if let value = view.scalar(node.inputs[side]) { return (value, node.inputs[1 - side]) }
    }
    return nil
  }
}
