import Glibc

/// 10^0 … 10^64, each the nearest double.
private let powersOfTen: [Double] = (0...64).map { strtod("1e\($0)", nil) }

extension JSONScanner {
  /// The nearest float, as `strtof` gives it; infinite when the number is too large.
  @inline(__always)
  func float(_ number: JSONNumber) -> Float {
    if let special = number.special { return Float(special) }
    if number.mantissa == 0 { return number.isNegative ? -0.0 : 0 }
    if number.exponent < -64 || number.exponent > 38 { return exactFloat(number) }
    let magnitude = approximation(number)
    // The mantissa, the power and their product or quotient are each off by half a unit of a double at most:
    // unless the double lies that near to the middle between two floats, it rounds to the right one.
    let distance = Int(magnitude.bitPattern & 0x1FFF_FFFF) - 0x1000_0000
    let isNormal = magnitude >= 0x1p-125 && magnitude <= 0x1p127
    if !isNormal || (-8...8).contains(distance) { return exactFloat(number) }
    return Float(number.isNegative ? -magnitude : magnitude)
  }

  /// The nearest double, as `strtod` gives it; infinite when the number is too large.
  @inline(__always)
  func double(_ number: JSONNumber) -> Double {
    if let special = number.special { return special }
    if number.mantissa == 0 { return number.isNegative ? -0.0 : 0 }
    // Both operands are exact doubles, so the one rounding is the right one (Clinger 1990).
    if number.isTruncated || number.mantissa > 1 << 53 || number.exponent.magnitude > 22 {
      return exactDouble(number)
    }
    let magnitude = approximation(number)
    return number.isNegative ? -magnitude : magnitude
  }

  @inline(__always)
  private func approximation(_ number: JSONNumber) -> Double {
    let mantissa = Double(number.mantissa)
    return number.exponent < 0
      ? mantissa / powersOfTen[-number.exponent] : mantissa * powersOfTen[number.exponent]
  }

  @inline(never)
  private func exactFloat(_ number: JSONNumber) -> Float { withText(of: number) { strtof($0, nil) } }

  @inline(never)
  private func exactDouble(_ number: JSONNumber) -> Double { withText(of: number) { strtod($0, nil) } }

  /// Calls `body` with the number as a C string. The process never leaves the C locale, so `.` is the point.
  private func withText<R>(of number: JSONNumber, _ body: (UnsafePointer<CChar>) -> R) -> R {
    let text = bytes[number.range]
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
      for (index, byte) in text.enumerated() { copy[index] = CChar(bitPattern: byte) }
      copy[text.count] = 0
      return body(copy.baseAddress!)
    }
  }
}
