import GraphIR
import Tensors

extension EngineTable {
  static let viewOperators: [OperatorEntry] = [
    "Reshape", "Squeeze", "Unsqueeze", "Flatten",
  ].map { name in
    OperatorEntry(OperatorName(type: name), types: .byteSized + [.int2, .uint2, .int4, .uint4, .float4e2m1]) {
      _ in
      ViewOperator()
    }
  }
}

extension EngineTable {
  static let identityOperators: [OperatorEntry] = [
    OperatorEntry(either: "Identity") { source in
      guard case .tensor(let type)? = source.inputs.first ?? nil, type.element != .string else {
        return .dynamic(IdentityOperator())
      }
      return .shaped(ViewOperator())
    }
  ]
}

/// `Identity` of values that do not lie in the arena: sequences, optionals, strings.
struct IdentityOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    [try ValueInputs(inputs).value(0)]
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
