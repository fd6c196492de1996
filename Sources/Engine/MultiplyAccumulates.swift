import GraphIR
import Tensors

extension Program {
  /// Multiplications with addition that products and convolutions take for inputs of these shapes; the usual
  /// measure of a network's cost.
  /// - Throws: `EngineError` when the shapes do not fit the inputs.
  public func multiplyAccumulates(_ shapes: [Shape]) throws(EngineError) -> Int {
    try work(shapes).values.reduce(0) { $0 + $1.multiplyAccumulates }
  }

  static func multiplyAccumulates(_ step: DraftStep, _ node: Node) -> Int {
    guard let output = step.outputs.first ?? nil else { return 0 }
    func shape(_ input: Int) -> Shape? { input < step.inputs.count ? step.inputs[input]?.shape : nil }
    switch node.op {
    case "MatMul", "MatMulInteger", "QLinearMatMul", FusedOperator.matMul, FusedOperator.dynamicMatMul,
      FusedOperator.quantizedMatMul, FusedOperator.blockMatMul:
      return output.elementCount * (shape(0)?.dimensions.last ?? 0)
    case "Gemm", FusedOperator.gemm:
      guard let a = shape(0), a.rank == 2 else { return 0 }
      return output.elementCount * (node.attributes.int("transA") == 1 ? a[0] : a[1])
    case "com.microsoft.MatMulNBits": return output.elementCount * (shape(0)?.dimensions.last ?? 0)
    case "Conv", "ConvInteger", "DeformConv", FusedOperator.conv, FusedOperator.convNHWC:
      return output.elementCount * (shape(1).map { $0.product(1..<$0.rank) } ?? 0)
    case "QLinearConv", FusedOperator.quantizedConv, FusedOperator.quantizedConvNHWC:
      return output.elementCount * (shape(3).map { $0.product(1..<$0.rank) } ?? 0)
    case FusedOperator.attention:
      // Of rank 3, or rank 4: scores and mixed values take as many each.
      guard let keys = shape(1), keys.rank >= 3 else { return 0 }
      let queries = (shape(0)?.elementCount ?? 0) + output.elementCount
      return queries * keys[keys.rank - 2]
    case "ConvTranspose":
      return (shape(0)?.elementCount ?? 0) * (shape(1).map { $0.product(1..<$0.rank) } ?? 0)
    case "RNN", "GRU", "LSTM", "com.microsoft.DynamicQuantizeLSTM":
      guard let x = shape(0), x.rank == 3 else { return 0 }
      return x[0] * x[1] * ((shape(1)?.elementCount ?? 0) + (shape(2)?.elementCount ?? 0))
    case "Attention":
      guard let q = shape(0), let k = shape(1), k.rank >= 3 else { return 0 }
      let past = shape(4).map { $0.rank == 4 ? $0[2] : 0 } ?? 0
      return (q.elementCount + output.elementCount) * (k[k.rank - 2] + past)
    default: return 0
    }
  }
}
