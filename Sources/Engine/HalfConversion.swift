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

  /// Converts elements of any float type of 16 to 64 bits to `wide`, which is float32 or float64.
  static func widen(
    _ type: ElementType, to wide: ElementType, _ source: UnsafeMutableRawPointer,
    _ destination: UnsafeMutableRawPointer, count: Int
  ) {
    if wide == .float32 {
      widen(type, source, destination.assumingMemoryBound(to: Float.self), count: count)
      return
    }
    let target = destination.assumingMemoryBound(to: Double.self)
    if type == .float32 {
      let source = source.assumingMemoryBound(to: Float.self)
      for index in 0..<count { target[index] = Double(source[index]) }
      return
    }
    var value: Float = 0
    for index in 0..<count {
      widen(type, source + 2 * index, &value, count: 1)
      target[index] = Double(value)
    }
  }

  /// Converts elements of `wide`, which is float32 or float64, to a narrower float type.
  static func narrow(
    _ type: ElementType, from wide: ElementType, _ source: UnsafeMutableRawPointer,
    _ destination: UnsafeMutableRawPointer, count: Int
  ) {
    if wide == .float32 {
      narrow(type, source.assumingMemoryBound(to: Float.self), destination, count: count)
      return
    }
    let source = source.assumingMemoryBound(to: Double.self)
    for index in 0..<count {
      var value = Float(source[index])
      if type == .float32 {
        destination.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self)
      } else {
        narrow(type, &value, destination + 2 * index, count: 1)
      }
    }
  }

  /// The bfloat16 nearest to `value`, ties to even; NaN stays NaN.
  static func bfloat16Bits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }
}
