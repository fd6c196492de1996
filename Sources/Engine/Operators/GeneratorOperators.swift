import GraphIR
import Tensors

extension EngineTable {
  static let generatorOperators: [OperatorEntry] = [
    OperatorEntry("OneHot", types: .byteSized, typedInput: 2, widensHalves: false) { source in
      let axis = try source.node.int("axis", default: -1)
      // Indices may be of any number type; they are widened with the values when they are halves.
      guard let indices = source.element(0) else { throw OperatorFailure.invalid("input 0 is no tensor") }
      if [ElementType].halves.contains(indices) {
        return WidenedOperator(OneHotOperator<Float>(axis: axis))
      }
      return try indices.withArithmetic(OneHotFactory(axis: axis))
    },
    OperatorEntry("Range", types: .numbers) { source in
      try source.element(0, in: .numbers).withArithmetic(RangeFactory())
    },
    OperatorEntry("EyeLike", types: EyeLikeOperator.types, widensHalves: false) { source in
      if let element = source.outputElement(), !EyeLikeOperator.types.contains(element) {
        throw OperatorFailure.type(element)
      }
      return EyeLikeOperator(diagonal: try source.node.int("k", default: 0))
    },
  ]
}

private struct OneHotFactory: ArithmeticVisitor {
  let axis: Int
  func visit<Index: ArithmeticElement>(_: Index.Type) throws -> any ShapedOperator {
    OneHotOperator<Index>(axis: axis)
  }
}

/// `OneHot`: the first value everywhere, the second at each index; indices outside the depth leave no mark.
private struct OneHotOperator<Index: ArithmeticElement>: ShapedOperator {
  let axis: Int

  @_specialize(where Index == Int64)
  @_specialize(where Index == Int32)
  @_specialize(where Index == Float)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    try request.output().element.withBitsOfWidth(Builder(axis: axis, request: request))
  }

  private struct Builder: BitsOfWidthVisitor {
    let axis: Int
    let request: PrepareRequest

    func visit<Bits: BitwiseCopyable>(_: Bits.Type) throws -> Kernel {
      let output = try request.output().shape
      if output.elementCount == 0 { return .nothing }
      let view = try AxisView(output, axis: axis)
      return Kernel(
        "one_hot", units: view.outer, costPerUnit: view.extent * view.inner, threads: request.threads
      ) { operands, range in
        let values = operands.input(2, as: Bits.self)
        for block in range {
          let target = operands.output(0, as: Bits.self) + block * view.extent * view.inner
          target.update(repeating: values[0], count: view.extent * view.inner)
          for place in 0..<view.inner {
            let number = operands.input(0, as: Index.self)[block * view.inner + place].asDouble
            let wanted = Int(Int64(saturating: number))
            let index = wanted < 0 ? wanted &+ view.extent : wanted
            if index >= 0 && index < view.extent { target[index * view.inner + place] = values[1] }
          }
        }
      }
    }
  }
}

private struct RangeFactory: ArithmeticVisitor {
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    RangeOperator<Element>()
  }
}

/// `Range`: `start + i * delta`.
private struct RangeOperator<Element: ArithmeticElement>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let count = try request.output().elementCount
    return Kernel("range") { operands, _ in
      let start = operands.input(0, as: Element.self)[0]
      let delta = operands.input(2, as: Element.self)[0]
      let result: UnsafeMutablePointer<Element> = operands.output()
      for index in 0..<count {
        let steps = Element(saturating: Double(index))
        result[index] = Element.wrappingAdd(start, Element.wrappingMultiply(steps, delta))
      }
    }
  }
}

/// `EyeLike`: ones on a diagonal.
private struct EyeLikeOperator: ShapedOperator {
  static let types: [ElementType] = .numbers + .halves + [.bool]
  let diagonal: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.elementCount == 0 { return .nothing }
    let width = output.element.bitWidth / 8
    let one = try Self.one(output.element)
    let (rows, columns) = (output.shape[0], output.shape[1])
    let diagonal = diagonal
    let bytes = output.byteCount
    return Kernel("eye") { operands, _ in
      operands.rawOutput().initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      for row in 0..<rows {
        let (column, overflow) = row.addingReportingOverflow(diagonal)
        if overflow || column < 0 || column >= columns { continue }
        let target = operands.rawOutput() + (row * columns + column) * width
        for (index, byte) in one.enumerated() {
          target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
      }
    }
  }

  /// The bytes of the number 1.
  private static func one(_ element: ElementType) throws -> [UInt8] {
    switch element {
    case .float32: bytes(Float(1))
    case .float64: bytes(Double(1))
    case .float16: bytes(UInt16(0x3C00))
    case .bfloat16: bytes(UInt16(0x3F80))
    case .int8, .uint8, .bool: [1]
    case .int16, .uint16: bytes(UInt16(1))
    case .int32, .uint32: bytes(UInt32(1))
    case .int64, .uint64: bytes(UInt64(1))
    default: throw OperatorFailure.type(element)
    }
  }

  private static func bytes<Number: BitwiseCopyable>(_ value: Number) -> [UInt8] {
    withUnsafeBytes(of: value) { Array($0) }
  }
}
