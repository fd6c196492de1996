/// The layout of a floating-point format with at most 16 bits: sign, exponent, mantissa, highest bit first.
///
/// Sources: IEEE 754 (float16), the OCP 8-bit and Microscaling specifications (e4m3fn, e5m2, e2m1),
/// arXiv:2206.02915 (the fnuz variants).
struct FloatFormat: Sendable {
  /// What the codes with the highest exponent mean.
  enum Specials: Sendable {
    /// Infinity with mantissa 0, NaN otherwise.
    case ieee
    /// NaN when all bits but the sign are set; otherwise ordinary numbers.
    case onlyNaN
    /// Ordinary numbers; the only NaN takes the place of negative zero.
    case unsignedZero
    /// Ordinary numbers; there is no NaN.
    case none
  }

  let exponentBits: Int
  let mantissaBits: Int
  let bias: Int
  let specials: Specials

  static let e4m3fn = FloatFormat(exponentBits: 4, mantissaBits: 3, bias: 7, specials: .onlyNaN)
  static let e4m3fnuz = FloatFormat(exponentBits: 4, mantissaBits: 3, bias: 8, specials: .unsignedZero)
  static let e5m2 = FloatFormat(exponentBits: 5, mantissaBits: 2, bias: 15, specials: .ieee)
  static let e5m2fnuz = FloatFormat(exponentBits: 5, mantissaBits: 2, bias: 16, specials: .unsignedZero)
  static let e2m1 = FloatFormat(exponentBits: 2, mantissaBits: 1, bias: 1, specials: .none)

  private var signBit: UInt16 { 1 << UInt16(exponentBits + mantissaBits) }
  private var highestExponent: Int { (1 << exponentBits) - 1 }

  /// The code of +NaN; nil when there is none.
  private var notANumber: UInt16? {
    switch specials {
    case .ieee: UInt16(highestExponent << mantissaBits) | 1 << UInt16(mantissaBits - 1)
    case .onlyNaN: signBit - 1
    case .unsignedZero: signBit
    case .none: nil
    }
  }

  /// The code of the largest finite number.
  private var largest: UInt16 {
    switch specials {
    case .ieee: UInt16(highestExponent << mantissaBits) - 1
    case .onlyNaN: signBit - 2
    case .unsignedZero, .none: signBit - 1
    }
  }

  /// The number that `code` stands for.
  func decode(_ code: UInt16) -> Float {
    let isNegative = code & signBit != 0
    let exponent = Int(code & (signBit - 1)) >> mantissaBits
    let mantissa = Int(code) & (1 << mantissaBits - 1)
    switch specials {
    case .ieee where exponent == highestExponent:
      return mantissa != 0 ? .nan : isNegative ? -.infinity : .infinity
    case .onlyNaN where code & (signBit - 1) == signBit - 1: return .nan
    case .unsignedZero where code == signBit: return .nan
    default: break
    }
    // Subnormals have the exponent of the smallest normal numbers and no hidden bit.
    let significand = exponent == 0 ? mantissa : mantissa + 1 << mantissaBits
    let scale = max(exponent, 1) - bias - mantissaBits
    let magnitude = Float(sign: .plus, exponent: scale, significand: Float(significand))
    return isNegative ? -magnitude : magnitude
  }

  /// The code nearest to `value`, ties to the even one, as ONNX's Cast defines it.
  /// - Parameter saturate: out of range gives the largest number, otherwise infinity or NaN.
  func encode(_ value: Float, saturate: Bool) -> UInt16 {
    let sign: UInt16 = value.sign == .minus ? signBit : 0
    if value.isNaN {
      // As ml_dtypes, which makes the expected outputs of ONNX's own cases: a zero with the other sign.
      guard let notANumber else { return sign ^ signBit }
      return specials == .unsignedZero ? notANumber : sign | notANumber
    }
    let magnitude = value.isInfinite ? nil : roundedMagnitude(value.magnitude)
    guard let magnitude, magnitude <= largest else { return overflow(sign: sign, saturate: saturate) }
    // Without a negative zero its code is NaN.
    return magnitude == 0 && specials == .unsignedZero ? 0 : sign | magnitude
  }

  private func overflow(sign: UInt16, saturate: Bool) -> UInt16 {
    if saturate { return sign | largest }
    return switch specials {
    case .ieee: sign | UInt16(highestExponent << mantissaBits)
    case .onlyNaN: sign | (signBit - 1)
    case .unsignedZero: signBit
    case .none: sign | largest
    }
  }

  /// Exponent and mantissa as if there were no end to the exponents; nil when far out of range.
  private func roundedMagnitude(_ value: Float) -> UInt16? {
    if value == 0 { return 0 }
    let exponent = value.isNormal ? Int(value.exponent) : -126
    // The place of the last mantissa bit, which stops falling where numbers become subnormal.
    let place = max(exponent, 1 - bias) - mantissaBits
    // Exact: the scaled value has float32's own significand.
    let scaled = Double(value) * Double(sign: .plus, exponent: -place, significand: 1)
    let significand = Int(scaled.rounded(.toNearestOrEven))
    if exponent < 1 - bias { return UInt16(significand) }
    let code = (exponent + bias) << mantissaBits + (significand - 1 << mantissaBits)
    return UInt16(exactly: code)
  }
}
