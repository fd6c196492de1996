import GraphIR
import Tensors

extension Program {
  /// Multiplications with addition that products and convolutions take for inputs of these shapes; the usual
  /// measure of a network's cost.
  /// - Throws: `EngineError` when the shapes do not fit the inputs.
  public func multiplyAccumulates(_ shapes: [Shape]) throws(EngineError) -> Int {
    try InputCheck.shapes(shapes, self)
    var planner = Planner(self, shapes: shapes, team: ThreadTeam(threads: 1))
    try planner.walk()
    return planner.steps.reduce(0) { $0 + Self.multiplyAccumulates($1, nodes[$1.node].node) }
  }

  private static func multiplyAccumulates(_ step: DraftStep, _ node: Node) -> Int {
    guard let output = step.outputs.first ?? nil else { return 0 }
    func shape(_ input: Int) -> Shape? { input < step.inputs.count ? step.inputs[input]?.shape : nil }
    switch node.op {
    case "MatMul", "MatMulInteger", "QLinearMatMul", FusedOperator.matMul, FusedOperator.dynamicMatMul,
      FusedOperator.quantizedMatMul:
      return output.elementCount * (shape(0)?.dimensions.last ?? 0)
    case "Gemm", FusedOperator.gemm:
      guard let a = shape(0), a.rank == 2 else { return 0 }
      return output.elementCount * (node.attributes.int("transA") == 1 ? a[0] : a[1])
    case "Conv", "ConvInteger", FusedOperator.conv, FusedOperator.convNHWC:
      return output.elementCount * (shape(1).map { $0.product(1..<$0.rank) } ?? 0)
    case "QLinearConv", FusedOperator.quantizedConv:
      return output.elementCount * (shape(3).map { $0.product(1..<$0.rank) } ?? 0)
    case "ConvTranspose":
      return (shape(0)?.elementCount ?? 0) * (shape(1).map { $0.product(1..<$0.rank) } ?? 0)
    default: return 0
    }
  }
}
