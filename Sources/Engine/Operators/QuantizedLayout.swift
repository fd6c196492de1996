import GraphIR
import Tensors

/// Which scale and zero point belong to which element: one for all, one for each place on an axis, or one for
/// each block of an axis.
struct QuantizedLayout: Sendable {
  /// Elements seen as `[outer, extent, inner]`; scales as `[outer, blocks, inner]` when blocked, else `[extent]`.
  let outer: Int
  let extent: Int
  let inner: Int
  private let kind: Kind

  private enum Kind {
    case tensor
    case axis
    case blocks(size: Int, count: Int)
  }

  init(_ input: Shape, scale: Shape, _ attributes: QuantizationAttributes) throws(OperatorFailure) {
    let isSingle = scale.elementCount == 1 && attributes.blockSize == 0
    if isSingle {
      (outer, extent, inner) = (1, 1, input.elementCount)
      kind = .tensor
      return
    }
    let view = try AxisView(input, axis: attributes.axis)
    (outer, extent, inner) = (view.outer, view.extent, view.inner)
    if attributes.blockSize > 0 {
      kind = .blocks(
        size: attributes.blockSize, count: (view.extent + attributes.blockSize - 1) / attributes.blockSize)
    } else {
      kind = .axis
    }
  }

  /// Lines of `inner` elements with one place on the axis.
  var lines: Int { outer * extent }

  /// True when each line shares one scale.
  var hasScalePerLine: Bool { if case .blocks = kind { false } else { true } }

  /// The index of the scale of element `index` of line `line`.
  @inline(__always)
  func parameter(_ line: Int, _ index: Int) -> Int {
    switch kind {
    case .tensor: 0
    case .axis: line % extent
    case .blocks(let size, let count): (line / extent * count + line % extent / size) * inner + index
    }
  }
}

/// Reads and writes elements of quantized integer types, packed ones too, as Int32.
struct QuantizedElements: Sendable {
  let type: ElementType
  let range: ClosedRange<Int32>

  /// - Throws: `OperatorFailure.type` for types that are no integers of at most 16 bits, or int32.
  init(_ type: ElementType) throws(OperatorFailure) {
    guard type.isInteger, type.bitWidth <= 16 || type == .int32 else { throw .type(type) }
    self.type = type
    if type == .int32 {
      range = Int32.min...Int32.max
    } else if type.isSignedInteger {
      range = -(1 << Int32(type.bitWidth - 1))...((1 << Int32(type.bitWidth - 1)) - 1)
    } else {
      range = 0...((1 << Int32(type.bitWidth)) - 1)
    }
  }

  @inline(__always)
  func read(_ bytes: UnsafeRawPointer, _ index: Int) -> Int32 {
    switch type {
    case .int8: return Int32(bytes.load(fromByteOffset: index, as: Int8.self))
    case .uint8: return Int32(bytes.load(fromByteOffset: index, as: UInt8.self))
    case .int16: return Int32(bytes.load(fromByteOffset: index * 2, as: Int16.self))
    case .uint16: return Int32(bytes.load(fromByteOffset: index * 2, as: UInt16.self))
    case .int32: return bytes.load(fromByteOffset: index * 4, as: Int32.self)
    default: return readPacked(bytes, index)
    }
  }

  private func readPacked(_ bytes: UnsafeRawPointer, _ index: Int) -> Int32 {
    let width = type.bitWidth
    let perByte = 8 / width
    let byte = bytes.load(fromByteOffset: index / perByte, as: UInt8.self)
    let bits = (byte >> UInt8(index % perByte * width)) & UInt8((1 << width) - 1)
    let value = Int32(bits)
    return type.isSignedInteger && value > range.upperBound ? value - (1 << Int32(width)) : value
  }

  @inline(__always)
  func write(_ bytes: UnsafeMutableRawPointer, _ index: Int, _ value: Int32) {
    switch type {
    case .int8, .uint8:
      bytes.storeBytes(of: UInt8(truncatingIfNeeded: value), toByteOffset: index, as: UInt8.self)
    case .int16, .uint16:
      bytes.storeBytes(of: UInt16(truncatingIfNeeded: value), toByteOffset: index * 2, as: UInt16.self)
    case .int32: bytes.storeBytes(of: value, toByteOffset: index * 4, as: Int32.self)
    default: writePacked(bytes, index, value)
    }
  }

  private func writePacked(_ bytes: UnsafeMutableRawPointer, _ index: Int, _ value: Int32) {
    let width = type.bitWidth
    let perByte = 8 / width
    let shift = UInt8(index % perByte * width)
    let mask = UInt8((1 << width) - 1) << shift
    var byte = bytes.load(fromByteOffset: index / perByte, as: UInt8.self)
    // The first element of a byte also clears what the memory held before.
    if shift == 0 { byte = 0 }
    byte = (byte & ~mask) | ((UInt8(truncatingIfNeeded: value) << shift) & mask)
    bytes.storeBytes(of: byte, toByteOffset: index / perByte, as: UInt8.self)
  }

  /// `value` rounded half to even, shifted by `zeroPoint` and limited to the type's range; NaN gives the lowest.
  @inline(__always)
  func quantize(_ value: Float, zeroPoint: Int32) -> Int32 {
    let rounded = value.rounded(.toNearestOrEven) + Float(zeroPoint)
    if !(rounded > Float(range.lowerBound)) { return range.lowerBound }
    return rounded >= Float(range.upperBound) ? range.upperBound : Int32(rounded)
  }
}
