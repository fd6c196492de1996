import Tensors

/// The elements of a tensor with 1, 2 or 4 bytes each, as bare bits.
struct BitPatterns {
  let count: Int
  /// Bytes of an element.
  let width: Int
  private let bytes: UnsafeRawBufferPointer

  /// Nil for types of other widths.
  init?(_ bytes: UnsafeRawBufferPointer, _ type: ElementType) {
    guard [8, 16, 32].contains(type.bitWidth) else { return nil }
    width = type.bitWidth / 8
    count = bytes.count / width
    self.bytes = bytes
  }

  subscript(index: Int) -> UInt32 {
    switch width {
    case 1: UInt32(bytes[index])
    case 2: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
    default: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
    }
  }

  /// The bits that most elements have: zero for elements of several bytes; of single bytes the most frequent one, of
  /// several the smallest, as codes with a zero point do not have zeros at 0.
  var background: UInt32 {
    if width > 1 { return 0 }
    var counts = [Int](repeating: 0, count: 256)
    for index in 0..<count { counts[Int(self[index])] += 1 }
    var most = 0
    for code in counts.indices where counts[code] > counts[most] { most = code }
    return UInt32(most)
  }
}

extension BitPatterns {
  /// True when each element, a float32, is finite and the same as a float16.
  var areHalves: Bool {
    for index in 0..<count {
      let value = Float(bitPattern: self[index])
      let half = Float16(value)
      if !half.isFinite || Float(half).bitPattern != value.bitPattern { return false }
    }
    return true
  }
}

extension Tensor {
  /// Calls `body` with the bits of every element; nil for types with other widths than 1, 2 or 4 bytes.
  func withBitPatterns<Result>(_ body: (BitPatterns) -> Result?) -> Result? {
    withUnalignedBytes { bytes in BitPatterns(bytes, type).flatMap(body) }
  }

  /// A list of `patterns` with elements of `type`.
  init(patterns: [UInt32], _ type: ElementType) throws(TensorError) {
    try self.init(type: type, shape: [patterns.count])
    let width = type.bitWidth / 8
    withMutableBytes { bytes in
      for (index, pattern) in patterns.enumerated() {
        switch width {
        case 1: bytes[index] = UInt8(truncatingIfNeeded: pattern)
        case 2:
          bytes.storeBytes(of: UInt16(truncatingIfNeeded: pattern), toByteOffset: 2 * index, as: UInt16.self)
        default: bytes.storeBytes(of: pattern, toByteOffset: 4 * index, as: UInt32.self)
        }
      }
    }
  }
}
