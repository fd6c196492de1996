import GraphIR
import Tensors

extension EngineTable {
  static let viewOperators: [OperatorEntry] = [
    "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity",
  ].map { name in
    OperatorEntry(OperatorName(type: name), types: .byteSized + [.int2, .uint2, .int4, .uint4, .float4e2m1]) {
      _ in
      ViewOperator()
    }
  }
}

/// An operator whose output is its first input under another shape. Planned as the same memory; the kernel
/// only runs where that cannot be, as for a constant that becomes a graph output.
struct ViewOperator: ShapedOperator {
  var isView: Bool { true }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let bytes = try request.output().byteCount
    return Kernel("copy") { operands, _ in
      operands.rawOutput().copyMemory(from: operands.rawInput(0), byteCount: bytes)
    }
  }
}
