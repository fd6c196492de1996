import GraphIR
import Tensors

extension EngineTable {
  static let constantOperators: [OperatorEntry] = [
    OperatorEntry("Constant", types: ElementType.allCases, widensHalves: false) {
      ConstantOperator(try value($0.node))
    },
    OperatorEntry("Shape", types: ElementType.allCases, widensHalves: false) { source in
      ShapeOperator(
        start: try source.node.int("start", default: 0), end: try source.node.optionalInt("end"))
    },
    OperatorEntry("Size", types: ElementType.allCases, widensHalves: false) { _ in SizeOperator() },
    OperatorEntry("ConstantOfShape", types: [.int64]) { source in
      try FillOperator(value: source.node.tensor("value") ?? Tensor(shape: [1], [Float(0)]))
    },
  ]

  private static func value(_ node: Node) throws -> Tensor {
    switch node.attributes.entries.first?.value {
    case .tensor(let tensor)?: return tensor
    case .int(let value)?: return try Tensor(scalar: value)
    case .float(let value)?: return try Tensor(scalar: value)
    case .string(let value)?: return try Tensor(shape: .scalar, strings: [value])
    case .ints(let values)?: return try Tensor(shape: [values.count], values)
    case .floats(let values)?: return try Tensor(shape: [values.count], values)
    case .strings(let values)?: return try Tensor(shape: [values.count], strings: values)
    default: throw OperatorFailure.unsupported("its value is of a kind that is not supported")
    }
  }
}

/// `Constant`.
struct ConstantOperator: ShapedOperator {
  let value: Tensor

  init(_ value: Tensor) { self.value = value }

  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? { [value] }

  func prepare(_ request: PrepareRequest) throws -> Kernel { .nothing }
}

/// `Shape`: a range of the input's extents.
struct ShapeOperator: ShapedOperator {
  let start: Int
  let end: Int?

  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? {
    guard let shape = inputs[0]?.shape else { return nil }
    let rank = shape.rank
    let clamped = { (axis: Int) in min(max(axis < 0 ? axis + rank : axis, 0), rank) }
    let (first, last) = (clamped(start), clamped(end ?? rank))
    let extents = first < last ? Array(shape.dimensions[first..<last]) : []
    return [try Tensor(shape: [extents.count], extents)]
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel { .nothing }
}

/// `Size`: the number of the input's elements.
struct SizeOperator: ShapedOperator {
  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? {
    guard let type = inputs[0] else { return nil }
    return [try Tensor(scalar: type.elementCount)]
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel { .nothing }
}

/// `ConstantOfShape`.
struct FillOperator: ShapedOperator {
  private let value: Tensor

  init(value: Tensor) throws {
    guard value.elementCount == 1 else { throw OperatorFailure.invalid("its value must have one element") }
    guard value.type.bitWidth > 0 else { throw OperatorFailure.type(value.type) }
    self.value = value
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.element.isPacked { return packed(output) }
    let width = output.element.bitWidth / 8
    let count = output.elementCount
    let value = value
    return Kernel("fill") { operands, _ in
      value.withBytes { bytes in
        let destination = operands.rawOutput()
        for index in 0..<count {
          (destination + index * width).copyMemory(from: bytes.baseAddress!, byteCount: width)
        }
      }
    }
  }

  /// Elements that share a byte.
  private func packed(_ output: OperandType) -> Kernel {
    let value = value
    return Kernel("fill") { operands, _ in
      value.withBytes { bytes in
        let width = output.element.bitWidth
        let code = PackedElements.code(bytes, at: 0, width: width)
        let target = UnsafeMutableRawBufferPointer(start: operands.rawOutput(), count: output.byteCount)
        // What is left of the last byte stays 0.
        target.initializeMemory(as: UInt8.self, repeating: 0)
        for index in 0..<output.elementCount {
          PackedElements.setCode(target, at: index, width: width, code)
        }
      }
    }
  }
}
