import Tensors

/// An element type that `Cast` reads or writes.
protocol CastElement: BitwiseCopyable, Sendable {
  init(casting value: Int64)
  init(casting value: UInt64)
  init(casting value: Double)
  func cast<To: CastElement>(to _: To.Type) -> To
}

extension CastElement where Self: FixedWidthInteger {
  @inline(__always) init(casting value: Int64) { self = Self(truncatingIfNeeded: value) }
  @inline(__always) init(casting value: UInt64) { self = Self(truncatingIfNeeded: value) }
  @inline(__always) init(casting value: Double) {
    // Out of range is undefined by the standard: the nearest end of the range, and 0 for NaN.
    self = Self(exactly: value.rounded(.towardZero)) ?? (value.isNaN ? 0 : value > 0 ? .max : .min)
  }
  @inline(__always) func cast<To: CastElement>(to _: To.Type) -> To {
    Self.isSigned
      ? To(casting: Int64(truncatingIfNeeded: self)) : To(casting: UInt64(truncatingIfNeeded: self))
  }
}

extension CastElement where Self: BinaryFloatingPoint {
  @inline(__always) init(casting value: Int64) { self = Self(value) }
  @inline(__always) init(casting value: UInt64) { self = Self(value) }
  @inline(__always) init(casting value: Double) { self = Self(value) }
  @inline(__always) func cast<To: CastElement>(to _: To.Type) -> To { To(casting: Double(self)) }
}

extension Int8: CastElement {}
extension Int16: CastElement {}
extension Int32: CastElement {}
extension Int64: CastElement {}
extension UInt8: CastElement {}
extension UInt16: CastElement {}
extension UInt32: CastElement {}
extension UInt64: CastElement {}
extension Float: CastElement {}
extension Double: CastElement {}
extension Float16: CastElement {}

extension Bool: CastElement {
  init(casting value: Int64) { self = value != 0 }
  init(casting value: UInt64) { self = value != 0 }
  init(casting value: Double) { self = value != 0 }
  func cast<To: CastElement>(to _: To.Type) -> To { To(casting: Int64(self ? 1 : 0)) }
}

/// The upper half of a float32.
struct BFloat16: CastElement {
  let bits: UInt16

  init(casting value: Int64) { bits = HalfConversion.bfloat16Bits(Float(value)) }
  init(casting value: UInt64) { bits = HalfConversion.bfloat16Bits(Float(value)) }
  init(casting value: Double) { bits = HalfConversion.bfloat16Bits(Float(value)) }
  func cast<To: CastElement>(to _: To.Type) -> To {
    To(casting: Double(Float(bitPattern: UInt32(bits) << 16)))
  }
}

/// Something that is made for one type that `Cast` knows.
protocol CastVisitor {
  associatedtype Result
  func visit<Element: CastElement>(_ type: Element.Type) throws -> Result
}

extension ElementType {
  /// Calls `visitor` with the Swift type of this element type.
  /// - Throws: `OperatorFailure.type` for types of less than a byte, strings and complex numbers.
  func withCast<Visitor: CastVisitor>(_ visitor: Visitor) throws -> Visitor.Result {
    switch self {
    case .float32: try visitor.visit(Float.self)
    case .float64: try visitor.visit(Double.self)
    case .float16: try visitor.visit(Float16.self)
    case .bfloat16: try visitor.visit(BFloat16.self)
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    case .bool: try visitor.visit(Bool.self)
    default: throw OperatorFailure.type(self)
    }
  }
}
