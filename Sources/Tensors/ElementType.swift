/// The type of one tensor element. Cases cover every element type of ONNX 1.22.
public enum ElementType: UInt8, Sendable, Hashable, CaseIterable {
  case float32, float64, float16, bfloat16
  case float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float8e8m0, float4e2m1
  case int2, int4, int8, int16, int32, int64
  case uint2, uint4, uint8, uint16, uint32, uint64
  case bool, string
  case complex64, complex128

  /// Bits that one element takes in a tensor's bytes; 0 for `string`, whose elements live outside.
  public var bitWidth: Int {
    switch self {
    case .string: 0
    case .int2, .uint2: 2
    case .int4, .uint4, .float4e2m1: 4
    case .int8, .uint8, .bool: 8
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .float16, .bfloat16, .int16, .uint16: 16
    case .float32, .int32, .uint32: 32
    case .float64, .int64, .uint64, .complex64: 64
    case .complex128: 128
    }
  }

  /// True for types whose elements are packed several to a byte, first element in the lowest bits.
  public var isPacked: Bool { bitWidth > 0 && bitWidth < 8 }

  /// Bytes that `count` elements take, rounded up to whole bytes; nil when that overflows.
  public func byteCount(elements count: Int) -> Int? {
    if count < 0 { return nil }
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitWidth)
    return overflow ? nil : bits / 8 + (bits % 8 == 0 ? 0 : 1)
  }

  /// The lower-case name that messages and reports use: `float32`, `int8`, `float8e4m3fn` …
  public var name: String { String(describing: self) }

  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16, .float4e2m1: true
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: true
    default: false
    }
  }

  public var isInteger: Bool { isSignedInteger || isUnsignedInteger }

  public var isSignedInteger: Bool {
    switch self {
    case .int2, .int4, .int8, .int16, .int32, .int64: true
    default: false
    }
  }

  public var isUnsignedInteger: Bool {
    switch self {
    case .uint2, .uint4, .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }
}
