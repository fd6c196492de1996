import Testing

@testable import Tensors

struct LowPrecisionTests {
  private static let types: [ElementType] = [
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1, .float8e8m0,
  ]

  @Test(arguments: types) func everyCodeIsItsOwnNearest(_ type: ElementType) throws {
    let table = try #require(LowPrecision.table(type))
    #expect(table.count == (type == .float4e2m1 ? 16 : 256))
    for (code, value) in table.enumerated() {
      let encoded = try #require(LowPrecision.code(type, value, saturate: false))
      if value.isNaN {
        #expect(table[Int(encoded)].isNaN, "\(type) code \(code)")
      } else {
        #expect(Int(encoded) == code, "\(type) code \(code) = \(value)")
      }
    }
  }

  @Test(arguments: types.filter { $0 != .float8e8m0 })
  func halfWayGoesToTheEvenCode(_ type: ElementType) throws {
    let table = try #require(LowPrecision.table(type))
    for code in 0..<(table.count / 2 - 1) {
      let (low, high) = (table[code], table[code + 1])
      if !low.isFinite || !high.isFinite { continue }
      let middle = (low + high) / 2
      let even = code.isMultiple(of: 2) ? code : code + 1
      #expect(LowPrecision.code(type, middle) == UInt8(even), "\(type) between \(low) and \(high)")
      #expect(LowPrecision.code(type, middle.nextDown) == UInt8(code))
      #expect(LowPrecision.code(type, middle.nextUp) == UInt8(code + 1))
      let isSymmetric = code > 0 || !(type == .float8e4m3fnuz || type == .float8e5m2fnuz)
      if isSymmetric {
        #expect(LowPrecision.code(type, -middle.nextUp) == UInt8(code + 1 + table.count / 2))
      }
    }
  }

  /// Largest number, then the codes of +inf and -inf saturated and not, from the tables of ONNX's Cast.
  @Test(arguments: [
    (ElementType.float8e4m3fn, Float(448), UInt8(0x7E), UInt8(0xFE), UInt8(0x7F), UInt8(0xFF)),
    (.float8e4m3fnuz, 240, 0x7F, 0xFF, 0x80, 0x80),
    (.float8e5m2, 57344, 0x7B, 0xFB, 0x7C, 0xFC),
    (.float8e5m2fnuz, 57344, 0x7F, 0xFF, 0x80, 0x80),
    (.float4e2m1, 6, 0x7, 0xF, 0x7, 0xF),
  ])
  func outOfRange(
    _ row: (type: ElementType, largest: Float, high: UInt8, low: UInt8, plain: UInt8, plainLow: UInt8)
  ) {
    #expect(LowPrecision.float(row.type, code: row.high) == row.largest)
    for value in [Float.infinity, 1e30, row.largest * 2] {
      #expect(LowPrecision.code(row.type, value) == row.high)
      #expect(LowPrecision.code(row.type, -value) == row.low)
      #expect(LowPrecision.code(row.type, value, saturate: false) == row.plain)
      #expect(LowPrecision.code(row.type, -value, saturate: false) == row.plainLow)
    }
  }

  @Test func float4HasNoNaN() {
    #expect(LowPrecision.code(.float4e2m1, .nan) == 0x8)
    #expect(LowPrecision.code(.float4e2m1, -.nan) == 0x0)
  }

  @Test(arguments: [
    (ElementType.float8e4m3fn, UInt8(0x80)), (.float8e4m3fnuz, 0), (.float8e5m2, 0x80), (.float8e5m2fnuz, 0),
  ])
  func negativeZero(_ type: ElementType, _ code: UInt8) {
    #expect(LowPrecision.code(type, -0.0) == code)
    #expect(LowPrecision.code(type, -1e-30) == code)
  }

  @Test(arguments: [
    (Float(0), UInt8(0), UInt8(0), UInt8(0)), (1, 127, 127, 127), (1.25, 128, 127, 127), (1.5, 128, 127, 128),
    (0.75, 127, 126, 127), (3e38, 254, 254, 254), (.infinity, 254, 254, 254), (.nan, 255, 255, 255),
  ])
  func powersOfTwo(_ row: (value: Float, up: UInt8, down: UInt8, nearest: UInt8)) {
    #expect(LowPrecision.e8m0(row.value, rounding: .up) == row.up)
    #expect(LowPrecision.e8m0(row.value, rounding: .down) == row.down)
    #expect(LowPrecision.e8m0(row.value, rounding: .nearest) == row.nearest)
  }

  @Test func bfloat16() {
    for code in UInt16.min ... .max {
      let value = LowPrecision.float(bfloat16: code)
      if value.isNaN {
        #expect(LowPrecision.float(bfloat16: LowPrecision.bfloat16(value)).isNaN)
      } else {
        #expect(LowPrecision.bfloat16(value) == code)
      }
    }
    #expect(LowPrecision.bfloat16(Float(bitPattern: 0x3F80_8000)) == 0x3F80)
    #expect(LowPrecision.bfloat16(Float(bitPattern: 0x3F81_8000)) == 0x3F82)
    #expect(LowPrecision.bfloat16(.greatestFiniteMagnitude) == 0x7F80)
    #expect(LowPrecision.float(bfloat16: LowPrecision.bfloat16(Float(bitPattern: 0x7F80_0001))).isNaN)
  }

  @Test(arguments: [ElementType.int4, .uint4, .int2, .uint2, .float4e2m1])
  func packing(_ type: ElementType) throws {
    let highest = UInt8(1 << type.bitWidth - 1)
    for count in [0, 1, 2, 3, 4, 5, 9] {
      let codes = (0..<count).map { UInt8($0 * 7 + 1) & highest }
      let tensor = try Tensor(packing: codes, type: type, shape: [count])
      #expect(tensor.byteCount == (count * type.bitWidth + 7) / 8)
      if type.isSignedInteger {
        let limit = 1 << (type.bitWidth - 1)
        #expect(tensor.unpackedSigned == codes.map { Int8(Int($0) < limit ? Int($0) : Int($0) - 2 * limit) })
      } else {
        #expect(tensor.unpackedCodes == codes)
      }
    }
    // First element in the lowest bits.
    let bytes = try Tensor(packing: [1, 2], type: type, shape: [2]).withBytes { Array($0) }
    #expect(bytes == [type.bitWidth == 4 ? 0x21 : 0b1001])
  }
}
