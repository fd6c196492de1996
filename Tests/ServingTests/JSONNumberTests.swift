import Glibc
import Testing

@testable import Serving

/// The number scanner against the C library's `strtof` and `strtod`.
@Suite struct JSONNumberTests {
  static func float(_ text: String) throws -> Float {
    try JSONScanner.withScanner(text.utf8, maximumDepth: 4) { scanner in
      let number = try scanner.scanNumber()
      try scanner.finish()
      return scanner.float(number)
    }
  }

  static func double(_ text: String) throws -> Double {
    try JSONScanner.withScanner(text.utf8, maximumDepth: 4) { scanner in
      let number = try scanner.scanNumber()
      try scanner.finish()
      return scanner.double(number)
    }
  }

  static func check(_ text: String) throws {
    let float = try float(text)
    let double = try double(text)
    if float.bitPattern != strtof(text, nil).bitPattern || double.bitPattern != strtod(text, nil).bitPattern {
      Issue.record("\(text): float \(float), double \(double)")
    }
  }

  @Test(arguments: [
    "0", "-0", "0.0", "-0.0", "0e10", "1", "-1", "123456789", "0.1", "1e-5", "1E+5", "16777217", "16777219",
    "3.4028234663852886e38", "3.4028235677973366e38", "3.4028235677973367e38", "1e39", "1e999", "-1e999",
    "1e-45", "7.006492321624085e-46", "7.006492321624086e-46", "1.1754943508222875e-38", "1.1754942e-38",
    "1e-400", "2.2250738585072011e-308", "4.9e-324", "2.4703282292062328e-324", "1.7976931348623159e308",
    "9007199254740993", "9007199254740992.9999999999999999", "18446744073709551615", "18446744073709551616",
    "100000000000000000000000000000000000000", "0.000000000000000000000000000000000000001401298464324817",
    "12345678901234567890123456789e-20", "1e99999999999999999999", "1e-99999999999999999999",
    "0.00000000000000000000000000000000000000000000000000000000000000000000000000000000001e80",
  ]) func edges(text: String) throws { try Self.check(text) }

  @Test func hundredDigitsOnEitherSideOfAMiddle() throws {
    let middle = "1.000000059604644775390625"  // 1 + 2^-24, between two floats
    for tail in ["", "0", "1", String(repeating: "0", count: 100), String(repeating: "0", count: 100) + "1"] {
      try Self.check(middle + tail)
    }
  }

  @Test func shortestTextsOfRandomBitPatterns() throws {
    var generator = SplitMix(seed: 1)
    for _ in 0..<200_000 {
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
      if float.isFinite { try Self.check(float.description) }
      let double = Double(bitPattern: generator.next())
      if double.isFinite { try Self.check(double.description) }
    }
  }

  @Test func exactMiddlesAndTheirNeighbours() throws {
    var generator = SplitMix(seed: 2)
    for _ in 0..<50_000 {
      let bits = UInt32(truncatingIfNeeded: generator.next()) & 0x7F7F_FFFF
      let middle = (Double(Float(bitPattern: bits)) + Double(Float(bitPattern: bits + 1))) / 2
      if !middle.isFinite { continue }
      for double in [middle.nextDown, middle, middle.nextUp] { try Self.check(double.description) }
    }
  }

  @Test func randomDecimalTexts() throws {
    var generator = SplitMix(seed: 3)
    for _ in 0..<200_000 {
      var text = generator.next() & 1 == 0 ? "" : "-"
      text += String(1 + generator.next() % 9)
      for _ in 0..<(generator.next() % 24) { text += String(generator.next() % 10) }
      if generator.next() & 1 == 0 {
        text += "."
        for _ in 0...(generator.next() % 24) { text += String(generator.next() % 10) }
      }
      if generator.next() & 1 == 0 { text += "e\(Int(generator.next() % 90) - 60)" }
      try Self.check(text)
    }
  }

  @Test(arguments: [
    "", "-", "+1", ".5", "5.", "01", "-01", "1e", "1e+", "0x10", "1.e3", "--1", "nan", "inf", "-NaN",
    "Infinit", "1 2",
  ]) func notNumbers(text: String) { #expect(throws: JSONError.self) { _ = try Self.float(text) } }

  @Test func specialTokens() throws {
    #expect(try Self.float("NaN").isNaN)
    #expect(try Self.float("Infinity") == .infinity)
    #expect(try Self.double("-Infinity") == -.infinity)
  }

  @Test func bfloat16RoundsOnce() {
    #expect(BFloat16Bits(1).bits == 0x3F80)
    #expect(BFloat16Bits(1.00390625).bits == 0x3F80)  // the middle, tie to even
    #expect(BFloat16Bits(1.01171875).bits == 0x3F82)  // the middle, tie to even
    #expect(BFloat16Bits(1.00390625.nextUp).bits == 0x3F81)  // float rounding alone would make it a tie
    #expect(BFloat16Bits(1.01171875.nextDown).bits == 0x3F81)
    #expect(BFloat16Bits(.nan).value.isNaN)
    #expect(BFloat16Bits(-.infinity).value == -.infinity)
  }
}

/// A small seeded generator, so that failures repeat (Steele, Lea, Flood 2014).
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
