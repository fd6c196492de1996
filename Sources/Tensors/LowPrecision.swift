/// Numbers of the small floating-point types, by their codes.
///
/// Conversions round to nearest, ties to even, and treat what is out of range as ONNX's Cast says
/// (https://onnx.ai/onnx/operators/onnx__Cast.html).
public enum LowPrecision {
  // MARK: To float32

  /// bfloat16 is the upper half of float32.
  @inlinable public static func float(bfloat16 code: UInt16) -> Float {
    Float(bitPattern: UInt32(code) << 16)
  }

  /// A power of two, 2^(code - 127); 255 is NaN.
  public static func float(e8m0 code: UInt8) -> Float {
    // The lowest, 2^-127, is a subnormal float32.
    code == 0xFF ? .nan : Float(bitPattern: code == 0 ? 1 << 22 : UInt32(code) << 23)
  }

  /// The number that `code` stands for in an 8-bit or 4-bit type; nil for other types.
  public static func float(_ type: ElementType, code: UInt8) -> Float? {
    table(type).map { $0[Int(code) % $0.count] }
  }

  /// The numbers of all codes of an 8-bit (256) or 4-bit (16) floating-point type; nil for other types.
  public static func table(_ type: ElementType) -> [Float]? {
    switch type {
    case .float8e4m3fn: e4m3fn
    case .float8e4m3fnuz: e4m3fnuz
    case .float8e5m2: e5m2
    case .float8e5m2fnuz: e5m2fnuz
    case .float8e8m0: e8m0
    case .float4e2m1: e2m1
    default: nil
    }
  }

  private static let e4m3fn = (0..<256).map { FloatFormat.e4m3fn.decode($0) }
  private static let e4m3fnuz = (0..<256).map { FloatFormat.e4m3fnuz.decode($0) }
  private static let e5m2 = (0..<256).map { FloatFormat.e5m2.decode($0) }
  private static let e5m2fnuz = (0..<256).map { FloatFormat.e5m2fnuz.decode($0) }
  private static let e8m0 = (0..<256).map { float(e8m0: UInt8($0)) }
  private static let e2m1 = (0..<16).map { FloatFormat.e2m1.decode($0) }

  // MARK: From float32

  /// Overflow gives infinity.
  @inlinable public static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    // A NaN stays one even when its payload is in the lower half.
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
  }

  /// The code of `value` in an 8-bit floating-point type or float4e2m1 (which always saturates, and knows no
  /// NaN: NaN becomes -0, and -NaN 0, as in ml_dtypes' float4_e2m1fn); nil for other types. float8e8m0 is rounded
  /// upwards.
  public static func code(_ type: ElementType, _ value: Float, saturate: Bool = true) -> UInt8? {
    let format: FloatFormat
    switch type {
    case .float8e4m3fn: format = .e4m3fn
    case .float8e4m3fnuz: format = .e4m3fnuz
    case .float8e5m2: format = .e5m2
    case .float8e5m2fnuz: format = .e5m2fnuz
    case .float4e2m1: format = .e2m1
    case .float8e8m0: return e8m0(value, saturate: saturate)
    default: return nil
    }
    return UInt8(format.encode(value, saturate: saturate))
  }

  /// How float8e8m0, which has powers of two only, rounds.
  public enum PowerRounding: String, Sendable {
    case up, down
    /// Ties go up.
    case nearest
  }

  /// The float8e8m0 code of `value`, of whose sign nothing is kept.
  /// - Parameter saturate: infinity gives the largest power, 2^127, and 0 the smallest, 2^-127; otherwise these,
  ///   and all that is out of range, give NaN.
  public static func e8m0(_ value: Float, saturate: Bool = true, rounding: PowerRounding = .up) -> UInt8 {
    if value.isNaN { return 0xFF }
    let magnitude = value.magnitude
    if magnitude.isInfinite { return saturate ? 0xFE : 0xFF }
    // The smallest, 2^-127, is a subnormal float32: compared by its bits, as the thread may flush it to zero.
    if magnitude.bitPattern < 1 << 22 { return saturate ? 0 : 0xFF }
    // From the subnormal 2^-127 on: exponent of the power below, and whether it is exact or below the middle.
    let below = Int(magnitude.exponent)
    let significand = magnitude.significand
    let goesUp =
      switch rounding {
      case .up: significand > 1
      case .down: false
      case .nearest: significand >= 1.5
      }
    let code = below + 127 + (goesUp ? 1 : 0)
    return code < 0xFF ? UInt8(code) : saturate ? 0xFE : 0xFF
  }
}
