/// Elements of less than a byte, packed lowest bits first.
public enum PackedElements {
  /// Element `index` as its bare bits.
  /// - Parameter width: bits of an element, 2 or 4.
  @inlinable public static func code(_ bytes: UnsafeRawBufferPointer, at index: Int, width: Int) -> UInt8 {
    let perByte = 8 / width
    return bytes[index / perByte] >> UInt8(index % perByte * width) & (1 << UInt8(width) - 1)
  }

  /// Sets element `index` to the lowest bits of `code`.
  @inlinable public static func setCode(
    _ bytes: UnsafeMutableRawBufferPointer, at index: Int, width: Int, _ code: UInt8
  ) {
    let perByte = 8 / width
    let shift = UInt8(index % perByte * width)
    let mask = (1 << UInt8(width) - 1) as UInt8
    bytes[index / perByte] = bytes[index / perByte] & ~(mask << shift) | (code & mask) << shift
  }

  /// Element `index` of a signed type, in two's complement.
  @inlinable public static func signed(_ bytes: UnsafeRawBufferPointer, at index: Int, width: Int) -> Int8 {
    let unused = Int8(8 - width)
    return (Int8(bitPattern: code(bytes, at: index, width: width)) << unused) >> unused
  }
}

extension Tensor {
  /// The elements of an int4 or int2 tensor, one to an `Int8`; nil for other types.
  public var unpackedSigned: [Int8]? {
    guard type == .int4 || type == .int2 else { return nil }
    return withBytes { bytes in
      (0..<elementCount).map { PackedElements.signed(bytes, at: $0, width: type.bitWidth) }
    }
  }

  /// The codes of a uint4, uint2 or float4e2m1 tensor, one to a `UInt8`; nil for other types.
  public var unpackedCodes: [UInt8]? {
    guard type.isPacked, !type.isSignedInteger else { return nil }
    return withBytes { bytes in
      (0..<elementCount).map { PackedElements.code(bytes, at: $0, width: type.bitWidth) }
    }
  }

  /// A tensor of a packed type from the lowest bits of each of `codes`.
  /// - Throws: `TensorError.elementCountMismatch`, `.invalidShape`, `.outOfMemory`.
  public init(packing codes: [UInt8], type: ElementType, shape: Shape) throws(TensorError) {
    precondition(type.isPacked, "only types of less than a byte are packed")
    try self.init(type: type, shape: shape)
    if codes.count != elementCount {
      throw .elementCountMismatch(expected: elementCount, actual: codes.count)
    }
    let width = type.bitWidth
    withMutableBytes { bytes in
      for (index, code) in codes.enumerated() { PackedElements.setCode(bytes, at: index, width: width, code) }
    }
  }
}
