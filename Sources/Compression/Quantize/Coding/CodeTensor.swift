import Tensors

/// Integer codes in the types that ONNX stores them in: a byte each, or two or four to a byte, the first in the lowest
/// bits and the last byte filled up with zeros.
extension Tensor {
  /// - Parameter type: int8, uint8, int4, uint4, int2 or uint2; every code must be one of its numbers.
  /// - Throws: `TensorError.elementCountMismatch`, `.invalidShape`, `.outOfMemory`.
  init(codes: [Int32], as type: ElementType, shape: Shape) throws(TensorError) {
    precondition(type.isInteger && type.bitWidth <= 8, "codes have 2, 4 or 8 bits")
    try self.init(type: type, shape: shape)
    if codes.count != elementCount {
      throw .elementCountMismatch(expected: elementCount, actual: codes.count)
    }
    let width = type.bitWidth
    let range: ClosedRange<Int32> =
      type.isSignedInteger
      ? -(1 << Int32(width - 1))...(1 << Int32(width - 1)) - 1 : 0...(1 << Int32(width)) - 1
    withMutableBytes { bytes in
      for (index, code) in codes.enumerated() {
        precondition(range.contains(code), "a code that its type does not hold")
        bytes.setCode(UInt8(truncatingIfNeeded: code), at: index, width: width)
      }
    }
  }

  /// The elements of an integer tensor with 2, 4 or 8 bits; nil for other types.
  var integerCodes: [Int32]? {
    guard type.isInteger, type.bitWidth <= 8 else { return nil }
    let width = type.bitWidth
    return withBytes { bytes in
      let isSigned = type.isSignedInteger
      return (0..<elementCount).map { index -> Int32 in
        if width == 8 { return isSigned ? Int32(Int8(bitPattern: bytes[index])) : Int32(bytes[index]) }
        return isSigned
          ? Int32(PackedElements.signed(bytes, at: index, width: width))
          : Int32(PackedElements.code(bytes, at: index, width: width))
      }
    }
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Sets element `index` of `width` bits, 2, 4 or 8, to the lowest bits of `code`.
  func setCode(_ code: UInt8, at index: Int, width: Int) {
    if width == 8 { self[index] = code } else { PackedElements.setCode(self, at: index, width: width, code) }
  }
}
