import GraphIR
import Tensors

extension EngineTable {
  static let linearOperators: [OperatorEntry] = [
    OperatorEntry("MatMul", types: .numbers) { source in
      if source.element(0) == .float32 { return try MatMulOperator(source) }
      return try source.element(0, in: .numbers).withArithmetic(PlainMatMulFactory())
    },
    OperatorEntry("Gemm", types: .numbers) { source in
      if source.element(0) == .float32 { return try GemmOperator(source) }
      return try source.element(0, in: .numbers).withArithmetic(PlainGemmFactory(source: source))
    },
    OperatorEntry(FusedOperator.matMul, types: .single, widensHalves: false) { try MatMulOperator($0) },
    OperatorEntry(FusedOperator.gemm, types: .single, widensHalves: false) { try GemmOperator($0) },
  ]
}

private struct PlainMatMulFactory: ArithmeticVisitor {
  func visit<Element: ArithmeticElement>(_: Element.Type) -> any ShapedOperator { PlainMatMul<Element>() }
}

private struct PlainGemmFactory: ArithmeticVisitor {
  let source: OperatorSource
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    try PlainGemm<Element>(source)
  }
}
