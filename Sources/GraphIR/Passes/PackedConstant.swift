import Tensors

/// A constant that nodes take apart when the model runs.
protocol PackedConstant {
  /// What the plain constant takes; nil when that is beyond all bounds.
  var byteCount: Int? { get }
  /// The plain constant; nil when the packed one does not hold what is asked of it, or there is no memory for it.
  func expanded() -> Tensor?
}

/// The elements that the bits of a mask are set for, in order, behind the one that all others have.
struct MaskedValues: PackedConstant {
  let bits: PackedBits
  let values: Tensor

  var byteCount: Int? { values.type.byteCount(elements: bits.count) }

  func expanded() -> Tensor? {
    guard var result = try? Tensor(type: values.type, shape: bits.shape),
      bits.setCount < values.elementCount
    else { return nil }
    bits.mask.withUnalignedBytes { mask in
      values.withUnalignedBytes { values in
        result.withMutableBytes { elements in
          switch self.values.type.bitWidth {
          case 8: Self.fill(elements, values, mask, bits.count, UInt8.self)
          case 16: Self.fill(elements, values, mask, bits.count, UInt16.self)
          case 32: Self.fill(elements, values, mask, bits.count, UInt32.self)
          default: Self.fill(elements, values, mask, bits.count, UInt64.self)
          }
        }
      }
    }
    return result
  }

  private static func fill<Pattern: FixedWidthInteger & BitwiseCopyable>(
    _ elements: UnsafeMutableRawBufferPointer, _ values: UnsafeRawBufferPointer,
    _ mask: UnsafeRawBufferPointer,
    _ count: Int, _: Pattern.Type
  ) {
    let width = MemoryLayout<Pattern>.size
    let target = elements.bindMemory(to: Pattern.self)
    let background = values.loadUnaligned(as: Pattern.self)
    var rank = 0
    for index in 0..<count {
      if mask[index >> 3] >> UInt8(index & 7) & 1 == 0 {
        target[index] = background
      } else {
        rank += 1
        target[index] = values.loadUnaligned(fromByteOffset: rank * width, as: Pattern.self)
      }
    }
  }
}

/// A table and for every element its place in it.
struct TableValues: PackedConstant {
  let codes: Tensor
  let values: Tensor

  var byteCount: Int? { values.type.byteCount(elements: codes.elementCount) }

  func expanded() -> Tensor? {
    let width = codes.type.bitWidth
    let isSigned = codes.type == .int2 || codes.type == .int4 || codes.type == .int8
    // A negative place counts from the end: nobody packs that.
    let limit = min(values.elementCount, 1 << (isSigned ? width - 1 : width))
    let largest = codes.withUnalignedBytes { Self.largest($0, width, codes.elementCount) }
    guard largest < limit, var result = try? Tensor(type: values.type, shape: codes.shape) else { return nil }
    codes.withUnalignedBytes { codes in
      values.withUnalignedBytes { values in
        result.withMutableBytes { elements in
          switch self.values.type.bitWidth {
          case 8: Self.fill(elements, values, codes, width, UInt8.self)
          case 16: Self.fill(elements, values, codes, width, UInt16.self)
          case 32: Self.fill(elements, values, codes, width, UInt32.self)
          default: Self.fill(elements, values, codes, width, UInt64.self)
          }
        }
      }
    }
    return result
  }

  /// Code `index` of those that lie in `codes`, the first in the lowest bits.
  @inline(__always)
  private static func code(_ codes: UnsafeRawBufferPointer, _ width: Int, _ index: Int) -> Int {
    let bit = index * width
    return Int(codes[bit >> 3] >> UInt8(bit & 7)) & (1 << width - 1)
  }

  /// -1 when there are none.
  private static func largest(_ codes: UnsafeRawBufferPointer, _ width: Int, _ count: Int) -> Int {
    var largest = -1
    for index in 0..<count { largest = max(largest, code(codes, width, index)) }
    return largest
  }

  private static func fill<Pattern: FixedWidthInteger & BitwiseCopyable>(
    _ elements: UnsafeMutableRawBufferPointer, _ values: UnsafeRawBufferPointer,
    _ codes: UnsafeRawBufferPointer, _ width: Int, _: Pattern.Type
  ) {
    let size = MemoryLayout<Pattern>.size
    let target = elements.bindMemory(to: Pattern.self)
    for index in target.indices {
      target[index] = values.loadUnaligned(
        fromByteOffset: code(codes, width, index) * size, as: Pattern.self)
    }
  }
}

/// Bits as 0 and 1 in float32.
struct FloatBits: PackedConstant {
  let bits: PackedBits

  var byteCount: Int? { ElementType.float32.byteCount(elements: bits.count) }

  func expanded() -> Tensor? {
    guard var result = try? Tensor(type: .float32, shape: bits.shape) else { return nil }
    bits.mask.withUnalignedBytes { mask in
      result.withMutableElements(Float.self) { elements in
        for index in elements.indices { elements[index] = Float(mask[index >> 3] >> UInt8(index & 7) & 1) }
      }
    }
    return result
  }
}

extension PackedBits {
  /// How many bits are set for the elements.
  var setCount: Int {
    mask.withUnalignedBytes { bytes in
      var sum = 0
      for byte in bytes.prefix(count / 8) { sum += byte.nonzeroBitCount }
      if count % 8 > 0 { sum += (bytes[count / 8] & (1 << UInt8(count % 8) - 1)).nonzeroBitCount }
      return sum
    }
  }
}
