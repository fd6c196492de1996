import Tensors

/// Numbers with which operators compute. Integers wrap around, as numpy's and every CPU's do.
protocol ArithmeticElement: TensorElement, Comparable {
  static var zero: Self { get }
  static var one: Self { get }
  /// An attribute that scales: rounded towards zero for integers.
  init(scale: Float)
  mutating func add(_ factor: Self, times other: Self)
  static func wrappingAdd(_ a: Self, _ b: Self) -> Self
  static func wrappingSubtract(_ a: Self, _ b: Self) -> Self
  static func wrappingMultiply(_ a: Self, _ b: Self) -> Self
  /// Integer division truncates, by zero gives 0; floats follow IEEE 754.
  static func divide(_ a: Self, _ b: Self) -> Self
  /// The smaller or larger; NaN when either is NaN.
  static func lesser(_ a: Self, _ b: Self) -> Self
  static func greater(_ a: Self, _ b: Self) -> Self
  var asDouble: Double { get }
  /// Rounded towards zero and limited to the type's range; NaN becomes 0 for integers.
  init(saturating value: Double)
}

extension ArithmeticElement where Self: FixedWidthInteger {
  static var zero: Self { 0 }
  static var one: Self { 1 }
  init(scale: Float) { self = Self(exactly: scale.rounded(.towardZero)) ?? 0 }
  @inline(__always) mutating func add(_ factor: Self, times other: Self) { self &+= factor &* other }
  @inline(__always) static func wrappingAdd(_ a: Self, _ b: Self) -> Self { a &+ b }
  @inline(__always) static func wrappingSubtract(_ a: Self, _ b: Self) -> Self { a &- b }
  @inline(__always) static func wrappingMultiply(_ a: Self, _ b: Self) -> Self { a &* b }
  @inline(__always) static func divide(_ a: Self, _ b: Self) -> Self {
    b == 0 ? 0 : a.dividedReportingOverflow(by: b).partialValue
  }
  @inline(__always) static func lesser(_ a: Self, _ b: Self) -> Self { b < a ? b : a }
  @inline(__always) static func greater(_ a: Self, _ b: Self) -> Self { b > a ? b : a }
  var asDouble: Double { Double(self) }
  init(saturating value: Double) {
    if let exact = Self(exactly: value.rounded(.towardZero)) {
      self = exact
    } else {
      self = value.isNaN ? 0 : value > 0 ? .max : .min
    }
  }
}

extension ArithmeticElement where Self: BinaryFloatingPoint {
  static var one: Self { 1 }
  init(scale: Float) { self = Self(scale) }
  @inline(__always) mutating func add(_ factor: Self, times other: Self) { self += factor * other }
  @inline(__always) static func wrappingAdd(_ a: Self, _ b: Self) -> Self { a + b }
  @inline(__always) static func wrappingSubtract(_ a: Self, _ b: Self) -> Self { a - b }
  @inline(__always) static func wrappingMultiply(_ a: Self, _ b: Self) -> Self { a * b }
  @inline(__always) static func divide(_ a: Self, _ b: Self) -> Self { a / b }
  // Two selections, which need no jump that random data make a guess of.
  @inline(__always) static func lesser(_ a: Self, _ b: Self) -> Self {
    let smaller = a < b ? a : b
    return a.isNaN ? a : smaller
  }
  @inline(__always) static func greater(_ a: Self, _ b: Self) -> Self {
    let larger = a > b ? a : b
    return a.isNaN ? a : larger
  }
  var asDouble: Double { Double(self) }
  init(saturating value: Double) { self = Self(value) }
}

extension Float: ArithmeticElement {}
extension Double: ArithmeticElement {}
extension Int8: ArithmeticElement {}
extension Int16: ArithmeticElement {}
extension Int32: ArithmeticElement {}
extension Int64: ArithmeticElement {}
extension UInt8: ArithmeticElement {}
extension UInt16: ArithmeticElement {}
extension UInt32: ArithmeticElement {}
extension UInt64: ArithmeticElement {}

/// Something that is made for one number type, such as a kernel.
protocol ArithmeticVisitor {
  associatedtype Result
  func visit<Element: ArithmeticElement>(_ type: Element.Type) throws -> Result
}

extension ElementType {
  /// Calls `visitor` with the Swift type of this number type.
  /// - Throws: `OperatorFailure.type` for types that are no plain numbers.
  @inline(__always)
  func withArithmetic<Visitor: ArithmeticVisitor>(_ visitor: Visitor) throws -> Visitor.Result {
    switch self {
    case .float32: try visitor.visit(Float.self)
    case .float64: try visitor.visit(Double.self)
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    default: throw OperatorFailure.type(self)
    }
  }
}
