/// A JSON number as read: ±`mantissa` · 10^`exponent`.
struct JSONNumber {
  var isNegative = false
  var mantissa: UInt64 = 0
  var exponent = 0
  /// True when non-zero digits beyond the mantissa's were left out: then the true value is larger in magnitude
  /// by less than one unit of `mantissa`, which is at least 10^17.
  var isTruncated = false
  var isInteger = true
  /// Where its text lies.
  var range = 0..<0
  /// NaN or an infinity, which JSON proper lacks.
  var special: Double?
}

extension JSONScanner {
  /// Consumes a number.
  mutating func scanNumber() throws(JSONError) -> JSONNumber {
    var number = JSONNumber()
    let start = position
    if next == UInt8(ascii: "-") {
      number.isNegative = true
      position += 1
    }
    if let special = consumeSpecial(isNegative: number.isNegative) {
      number.special = special
      number.isInteger = false
      number.range = start..<position
      return number
    }
    let firstDigit = position
    scanDigits(into: &number, isFraction: false)
    if position == firstDigit { throw expected("a value") }
    if bytes[firstDigit] == UInt8(ascii: "0"), position > firstDigit + 1 {
      throw error("number with a leading zero", at: start)
    }
    if next == UInt8(ascii: ".") {
      number.isInteger = false
      position += 1
      let first = position
      scanDigits(into: &number, isFraction: true)
      if position == first { throw expected("a digit") }
    }
    if next | 0x20 == UInt8(ascii: "e") {
      number.isInteger = false
      position += 1
      try scanExponent(into: &number)
    }
    number.range = start..<position
    return number
  }

  private mutating func consumeSpecial(isNegative: Bool) -> Double? {
    if next == UInt8(ascii: "I"), consume("Infinity") { return isNegative ? -.infinity : .infinity }
    if next == UInt8(ascii: "N"), !isNegative, consume("NaN") { return .nan }
    return nil
  }

  @inline(__always)
  private mutating func scanDigits(into number: inout JSONNumber, isFraction: Bool) {
    // The mantissa stays below 10^19, which UInt64 holds; further digits only move the exponent.
    while number.mantissa < 10_000_000_000, let eight = eightDigits() {
      number.mantissa = number.mantissa &* 100_000_000 &+ eight
      if isFraction { number.exponent -= 8 }
      position += 8
    }
    while position < count {
      let digit = bytes[position] &- UInt8(ascii: "0")
      if digit > 9 { return }
      if number.mantissa < 1_000_000_000_000_000_000 {
        number.mantissa = number.mantissa &* 10 &+ UInt64(digit)
        if isFraction { number.exponent -= 1 }
      } else {
        if digit != 0 { number.isTruncated = true }
        if !isFraction { number.exponent += 1 }
      }
      position += 1
    }
  }

  /// The value of the next eight bytes when all are digits (D. Lemire, "Quickly parsing eight digits", 2018).
  @inline(__always)
  private func eightDigits() -> UInt64? {
    if count - position < 8 { return nil }
    // In bounds: the eight bytes at `position` were just compared with `count`.
    let chunk = UInt64(
      littleEndian: UnsafeRawPointer(bytes.baseAddress! + position).loadUnaligned(as: UInt64.self))
    let high: UInt64 = 0xF0F0_F0F0_F0F0_F0F0
    if chunk & high | ((chunk &+ 0x0606_0606_0606_0606) & high) >> 4 != 0x3333_3333_3333_3333 { return nil }
    let digits = chunk &- 0x3030_3030_3030_3030
    let pairs = digits &* 10 &+ digits >> 8
    let mask: UInt64 = 0x0000_00FF_0000_00FF
    return ((pairs & mask) &* 0x000F_4240_0000_0064 &+ ((pairs >> 16) & mask) &* 0x0000_2710_0000_0001) >> 32
  }

  private mutating func scanExponent(into number: inout JSONNumber) throws(JSONError) {
    let isNegative = next == UInt8(ascii: "-")
    if isNegative || next == UInt8(ascii: "+") { position += 1 }
    let first = position
    var exponent = 0
    while position < count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit <= 9 {
      // Saturates: no text is long enough to bring such an exponent back into range.
      if exponent < 1 << 48 { exponent = exponent * 10 + Int(digit) }
      position += 1
    }
    if position == first { throw expected("a digit") }
    number.exponent += isNegative ? -exponent : exponent
  }

  /// Consumes an integer: no fraction, no exponent.
  mutating func readInteger() throws(JSONError) -> (isNegative: Bool, magnitude: UInt64) {
    let start = position
    let isNegative = next == UInt8(ascii: "-")
    if isNegative { position += 1 }
    let first = position
    var magnitude: UInt64 = 0
    while position < count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit <= 9 {
      let (tens, overflowTens) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, overflowSum) = tens.addingReportingOverflow(UInt64(digit))
      if overflowTens || overflowSum { throw error("integer out of range", at: start) }
      magnitude = sum
      position += 1
    }
    if position == first { throw expected("an integer") }
    if bytes[first] == UInt8(ascii: "0"), position > first + 1 {
      throw error("number with a leading zero", at: start)
    }
    if next == UInt8(ascii: ".") || next | 0x20 == UInt8(ascii: "e") {
      throw expected("an integer without '.' or exponent")
    }
    return (isNegative, magnitude)
  }

  /// Consumes an integer that fits `T`.
  @inline(__always)
  mutating func readInteger<T: FixedWidthInteger>(as _: T.Type) throws(JSONError) -> T {
    let start = position
    let (isNegative, magnitude) = try readInteger()
    let value = isNegative ? negated(magnitude, as: T.self) : T(exactly: magnitude)
    guard let value else { throw error("integer out of range", at: start) }
    return value
  }

  private func negated<T: FixedWidthInteger>(_ magnitude: UInt64, as _: T.Type) -> T? {
    if magnitude > 1 << 63 { return nil }
    return T(exactly: Int64(truncatingIfNeeded: 0 &- magnitude))
  }
}
