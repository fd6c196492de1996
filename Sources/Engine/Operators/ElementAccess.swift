import Tensors

/// Reads and writes single elements of any number type, packed and 8-bit float types too, as Double. Slow and
/// general: for types that have no kernels of their own.
struct ElementAccess: Sendable {
  let read: @Sendable (UnsafeRawPointer, Int) -> Double
  let write: @Sendable (UnsafeMutableRawPointer, Int, Double) -> Void
  /// Elements that share a byte must be written by one thread, in ascending order.
  let isPacked: Bool

  /// - Parameter saturates: out-of-range numbers become the largest float 8 instead of NaN or infinity.
  /// - Throws: `OperatorFailure.type` for strings and complex numbers.
  init(_ type: ElementType, saturates: Bool = true, rounding: LowPrecision.PowerRounding = .up) throws {
    if let table = LowPrecision.table(type) {
      self = Self.smallFloat(table, type, saturates: saturates, rounding: rounding)
    } else if type.isPacked {
      let elements = try QuantizedElements(type)
      self.init(
        read: { Double(elements.read($0, $1)) }, write: { elements.write($0, $1, Int32(casting: $2)) },
        isPacked: true)
    } else {
      self = try type.withCast(Plain())
    }
  }

  private init(
    read: @escaping @Sendable (UnsafeRawPointer, Int) -> Double,
    write: @escaping @Sendable (UnsafeMutableRawPointer, Int, Double) -> Void, isPacked: Bool
  ) {
    self.read = read
    self.write = write
    self.isPacked = isPacked
  }

  private static func smallFloat(
    _ table: [Float], _ type: ElementType, saturates: Bool, rounding: LowPrecision.PowerRounding
  ) -> ElementAccess {
    let encode: @Sendable (Double) -> UInt8 = { value in
      if type == .float8e8m0 {
        return LowPrecision.e8m0(Float(value), saturate: saturates, rounding: rounding)
      }
      return LowPrecision.code(type, Float(value), saturate: saturates) ?? 0
    }
    if type.isPacked {
      let codes = NibbleCodes()
      return ElementAccess(
        read: { Double(table[Int(codes.read($0, $1))]) }, write: { codes.write($0, $1, encode($2)) },
        isPacked: true)
    }
    return ElementAccess(
      read: { Double(table[Int($0.load(fromByteOffset: $1, as: UInt8.self))]) },
      write: { $0.storeBytes(of: encode($2), toByteOffset: $1, as: UInt8.self) }, isPacked: false)
  }

  private struct Plain: CastVisitor {
    func visit<Element: CastElement>(_: Element.Type) -> ElementAccess {
      ElementAccess(
        read: { $0.assumingMemoryBound(to: Element.self)[$1].cast(to: Double.self) },
        write: { $0.assumingMemoryBound(to: Element.self)[$1] = Element(casting: $2) }, isPacked: false)
    }
  }
}

/// Four-bit codes, two to a byte, the first in the lower half.
private struct NibbleCodes {
  func read(_ bytes: UnsafeRawPointer, _ index: Int) -> UInt8 {
    bytes.load(fromByteOffset: index / 2, as: UInt8.self) >> UInt8(index % 2 * 4) & 15
  }

  func write(_ bytes: UnsafeMutableRawPointer, _ index: Int, _ code: UInt8) {
    let lower = index % 2 == 0 ? 0 : bytes.load(fromByteOffset: index / 2, as: UInt8.self) & 15
    bytes.storeBytes(of: index % 2 == 0 ? code : lower | code << 4, toByteOffset: index / 2, as: UInt8.self)
  }
}
