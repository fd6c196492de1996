import Tensors

/// Converts arrays between float32 and the two 16-bit float types.
enum HalfConversion {
  static func widen(
    _ type: ElementType, _ source: UnsafeMutableRawPointer, _ destination: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    if type == .float16 {
      let source = source.assumingMemoryBound(to: Float16.self)
      for index in 0..<count { destination[index] = Float(source[index]) }
    } else {
      let source = source.assumingMemoryBound(to: UInt16.self)
      for index in 0..<count { destination[index] = Float(bitPattern: UInt32(source[index]) << 16) }
    }
  }

  static func narrow(
    _ type: ElementType, _ source: UnsafeMutablePointer<Float>, _ destination: UnsafeMutableRawPointer,
    count: Int
  ) {
    if type == .float16 {
      let destination = destination.assumingMemoryBound(to: Float16.self)
      for index in 0..<count { destination[index] = Float16(source[index]) }
    } else {
      let destination = destination.assumingMemoryBound(to: UInt16.self)
      for index in 0..<count { destination[index] = bfloat16Bits(source[index]) }
    }
  }

  /// The bfloat16 nearest to `value`, ties to even; NaN stays NaN.
  static func bfloat16Bits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }
}
