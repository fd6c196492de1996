import GraphIR
import Tensors

extension EngineTable {
  static let dropoutOperators: [OperatorEntry] = [
    OperatorEntry("Dropout", types: .byteSized) { _ in DropoutOperator() }
  ]
}

/// `Dropout` outside training: the input as it is, and a mask that keeps everything.
struct DropoutOperator: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    if request.hasInput(2), request.constant(2)?.array(of: Bool.self) != [false] {
      throw OperatorFailure.unsupported("training_mode is not supported")
    }
    let output = try request.output()
    let (bytes, count) = (output.byteCount, output.elementCount)
    let hasMask = request.hasOutput(1)
    return Kernel("dropout") { operands, _ in
      operands.rawOutput().copyMemory(from: operands.rawInput(0), byteCount: bytes)
      if hasMask { operands.output(1, as: Bool.self).update(repeating: true, count: count) }
    }
  }
}
