import Tensors

extension JSONWriter {
  /// The elements of `tensor` as one flat array.
  /// - Returns: false, with nothing written, for an element type that JSON has no form for.
  mutating func elements(of tensor: Tensor) -> Bool {
    switch tensor.type {
    case .float32: floats(of: tensor, as: Float.self)
    case .float64: floats(of: tensor, as: Double.self)
    case .float16: floats(of: tensor, as: Float16.self)
    case .bfloat16: brainFloats(of: tensor)
    case .int8: integers(of: tensor, as: Int8.self)
    case .int16: integers(of: tensor, as: Int16.self)
    case .int32: integers(of: tensor, as: Int32.self)
    case .int64: integers(of: tensor, as: Int64.self)
    case .uint8: integers(of: tensor, as: UInt8.self)
    case .uint16: integers(of: tensor, as: UInt16.self)
    case .uint32: integers(of: tensor, as: UInt32.self)
    case .uint64: integers(of: tensor, as: UInt64.self)
    case .bool: bools(of: tensor)
    case .string: list(tensor.strings ?? []) { $0.string($1) }
    default: return false
    }
    return true
  }

  private mutating func floats<Element: TensorElement & BinaryFloatingPoint & CustomStringConvertible>(
    of tensor: Tensor, as _: Element.Type
  ) {
    tensor.withElements(Element.self) { list($0) { $0.number($1) } }
  }

  private mutating func integers<Element: TensorElement & FixedWidthInteger>(
    of tensor: Tensor, as _: Element.Type
  ) {
    tensor.withElements(Element.self) { list($0) { $0.integer($1) } }
  }

  /// bfloat16 in the digits that tell it from its neighbours, as its float has them.
  private mutating func brainFloats(of tensor: Tensor) {
    tensor.withBytes { bytes in
      list(bytes.bindMemory(to: UInt16.self)) { $0.number(Float(bitPattern: UInt32($1) << 16)) }
    }
  }

  /// Read as bytes: a byte other than 0 and 1 would be no valid `Bool`.
  private mutating func bools(of tensor: Tensor) {
    tensor.withBytes { bytes in list(bytes) { $0.bool($1 != 0) } }
  }

  @inline(__always)
  private mutating func list<Elements: Collection>(
    _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
  ) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for element in elements {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      write(&self, element)
    }
    bytes.append(UInt8(ascii: "]"))
  }
}
