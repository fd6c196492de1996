import Tensors

/// What one element of a tensor's JSON `data` becomes.
protocol JSONLeaf {
  /// Consumes one element.
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> Self
}

extension Float: JSONLeaf {
  @inline(__always)
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> Float {
    let number = try scanner.scanNumber()
    let value = scanner.float(number)
    if value.isInfinite && number.special == nil { throw scanner.outOfRange(number) }
    return value
  }
}

extension Double: JSONLeaf {
  @inline(__always)
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> Double {
    let number = try scanner.scanNumber()
    let value = scanner.double(number)
    if value.isInfinite && number.special == nil { throw scanner.outOfRange(number) }
    return value
  }
}

extension Float16: JSONLeaf {
  /// The half nearest to the nearest double.
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> Float16 {
    let number = try scanner.scanNumber()
    let value = Float16(scanner.double(number))
    if value.isInfinite && number.special == nil { throw scanner.outOfRange(number) }
    return value
  }
}

/// The upper half of a float's bits.
struct BFloat16Bits: JSONLeaf {
  let bits: UInt16

  /// The bfloat16 nearest to `value`, ties to even.
  init(_ value: Double) {
    if value.isNaN {
      bits = 0x7FC0
      return
    }
    var float = Float(value)
    // A middle that only the first rounding made goes to the side on which the double lies.
    if float.bitPattern & 0xFFFF == 0x8000, Double(float) != value {
      float = Double(float) < value ? float.nextUp : float.nextDown
    }
    let pattern = float.bitPattern
    bits = UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16)
  }

  var value: Float { Float(bitPattern: UInt32(bits) << 16) }

  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> BFloat16Bits {
    let number = try scanner.scanNumber()
    let result = BFloat16Bits(scanner.double(number))
    if result.value.isInfinite && number.special == nil { throw scanner.outOfRange(number) }
    return result
  }
}

extension JSONLeaf where Self: FixedWidthInteger {
  @inline(__always)
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> Self {
    try scanner.readInteger(as: Self.self)
  }
}

extension Int8: JSONLeaf {}
extension Int16: JSONLeaf {}
extension Int32: JSONLeaf {}
extension Int64: JSONLeaf {}
extension UInt8: JSONLeaf {}
extension UInt16: JSONLeaf {}
extension UInt32: JSONLeaf {}
extension UInt64: JSONLeaf {}

extension Bool: JSONLeaf {
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> Bool { try scanner.readBool() }
}

extension String: JSONLeaf {
  static func read(_ scanner: inout JSONScanner) throws(JSONError) -> String { try scanner.readString() }
}

extension JSONScanner {
  func outOfRange(_ number: JSONNumber) -> JSONError {
    error("number out of range", at: number.range.lowerBound)
  }
}
