import GraphIR
import Tensors

extension EngineTable {
  static let castOperators: [OperatorEntry] = [
    OperatorEntry("Cast", types: castTypes, widensHalves: false, make: castOperator),
    OperatorEntry("CastLike", types: castTypes, widensHalves: false, make: castOperator),
  ]

  private static let castTypes: [ElementType] = ElementType.allCases.filter {
    $0 != .string && $0 != .complex64 && $0 != .complex128
  }

  @Sendable private static func castOperator(_ source: OperatorSource) throws -> any ShapedOperator {
    guard let target = source.outputElement() else {
      throw OperatorFailure.invalid("the target type is not known")
    }
    let from = try source.element(0, in: castTypes)
    if from == target { return ViewOperator() }
    if isPlain(from) && isPlain(target) { return try from.withCast(CastFrom(target: target)) }
    if from.isPacked && from.isInteger && (target.isInteger || target == .bool) && !target.isPacked {
      return try target.withCast(CastPacked(elements: try QuantizedElements(from)))
    }
    let attributes = try CastAttributes(source.node)
    let rounding: LowPrecision.PowerRounding =
      switch attributes.rounding {
      case .up: .up
      case .down: .down
      case .nearest: .nearest
      }
    return SmallCast(
      source: try ElementAccess(from),
      target: try ElementAccess(target, saturates: attributes.saturates, rounding: rounding))
  }

  private static func isPlain(_ type: ElementType) -> Bool {
    ([ElementType].numbers + [ElementType].halves + [.bool]).contains(type)
  }
}

private struct CastPacked: CastVisitor {
  let elements: QuantizedElements

  func visit<To: CastElement>(_: To.Type) throws -> any ShapedOperator {
    PackedIntegerCast<To>(elements: elements)
  }
}

/// `Cast` of integers of less than a byte to larger ones: higher bits that do not fit are dropped.
private struct PackedIntegerCast<To: CastElement>: ShapedOperator {
  let elements: QuantizedElements

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let elements = elements
    return Kernel(
      "cast_integers", units: try request.output().elementCount, costPerUnit: 4, threads: request.threads
    ) { operands, range in
      let y: UnsafeMutablePointer<To> = operands.output()
      for index in range { y[index] = To(casting: Int64(elements.read(operands.rawInput(0), index))) }
    }
  }
}

private struct CastFrom: CastVisitor {
  let target: ElementType

  func visit<From: CastElement>(_: From.Type) throws -> any ShapedOperator {
    try target.withCast(CastTo<From>())
  }
}

private struct CastTo<From: CastElement>: CastVisitor {
  func visit<To: CastElement>(_: To.Type) throws -> any ShapedOperator { CastOperator<From, To>() }
}

/// `Cast` between two number types.
struct CastOperator<From: CastElement, To: CastElement>: ShapedOperator {
  @_specialize(where From == Float, To == Double)
  @_specialize(where From == Float, To == Int64)
  @_specialize(where From == Float, To == Int32)
  @_specialize(where From == Float, To == UInt8)
  @_specialize(where From == Float, To == Int8)
  @_specialize(where From == Float, To == Bool)
  @_specialize(where From == Float, To == Float16)
  @_specialize(where From == Double, To == Float)
  @_specialize(where From == Double, To == Int64)
  @_specialize(where From == Int64, To == Float)
  @_specialize(where From == Int64, To == Double)
  @_specialize(where From == Int64, To == Int32)
  @_specialize(where From == Int64, To == Bool)
  @_specialize(where From == Int32, To == Float)
  @_specialize(where From == Int32, To == Int64)
  @_specialize(where From == Int32, To == Bool)
  @_specialize(where From == Bool, To == Float)
  @_specialize(where From == Bool, To == Int64)
  @_specialize(where From == Bool, To == Int32)
  @_specialize(where From == UInt8, To == Float)
  @_specialize(where From == Int8, To == Float)
  @_specialize(where From == Float16, To == Float)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    Kernel("cast", units: try request.output().elementCount, costPerUnit: 2, threads: request.threads) {
      operands, range in
      let x: UnsafePointer<From> = operands.input(0)
      let y: UnsafeMutablePointer<To> = operands.output()
      for index in range { y[index] = x[index].cast(to: To.self) }
    }
  }
}
