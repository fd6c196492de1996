import GraphIR
import Tensors

extension EngineTable {
  static let bitCastOperators: [OperatorEntry] = [
    OperatorEntry("BitCast", types: ElementType.allCases.filter { $0 != .string }, widensHalves: false) { _ in
      BitCastOperator()
    }
  ]
}

/// `BitCast`: the same bytes as elements of another type of the same width.
struct BitCastOperator: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let bytes = try request.output().byteCount
    if bytes == 0 { return .nothing }
    return Kernel("bit_cast") { operands, _ in
      operands.rawOutput().copyMemory(from: operands.rawInput(0), byteCount: bytes)
    }
  }
}
