import Tensors

extension JSONScanner {
  /// Consumes a tensor's `data`: an array of elements, nested in any way; only their count must fit `shape`.
  ///
  /// Elements go straight into the tensor's memory, which is bounded by the text: an element takes two bytes.
  mutating func readTensor(type: ElementType, shape: Shape) throws(JSONError) -> Tensor {
    let start = position
    guard let elements = shape.checkedElementCount else {
      throw error("shape \(shape) has a negative extent or too many elements")
    }
    if elements > (count - position) / 2 + 1 {
      throw error("shape \(shape) needs \(elements) elements, more than 'data' has")
    }
    if type == .string {
      var strings = [String](repeating: "", count: elements)
      try strings.withUnsafeMutableBufferPointer { (out) throws(JSONError) in
        try readElements(into: UnsafeMutableBufferPointer(rebasing: out[...]), shape: shape)
      }
      guard let tensor = try? Tensor(shape: shape, strings: strings) else {
        throw error("out of memory", at: start)
      }
      return tensor
    }
    guard var tensor = try? Tensor(type: type, shape: shape) else { throw error("out of memory", at: start) }
    try tensor.withMutableBytes { (bytes) throws(JSONError) in
      try readElements(of: type, into: bytes, shape: shape)
    }
    return tensor
  }

  private mutating func readElements(
    of type: ElementType, into bytes: UnsafeMutableRawBufferPointer, shape: Shape
  ) throws(JSONError) {
    switch type {
    case .float32: try readElements(into: bytes.bindMemory(to: Float.self), shape: shape)
    case .float64: try readElements(into: bytes.bindMemory(to: Double.self), shape: shape)
    case .float16: try readElements(into: bytes.bindMemory(to: Float16.self), shape: shape)
    case .bfloat16: try readElements(into: bytes.bindMemory(to: BFloat16Bits.self), shape: shape)
    case .int8: try readElements(into: bytes.bindMemory(to: Int8.self), shape: shape)
    case .int16: try readElements(into: bytes.bindMemory(to: Int16.self), shape: shape)
    case .int32: try readElements(into: bytes.bindMemory(to: Int32.self), shape: shape)
    case .int64: try readElements(into: bytes.bindMemory(to: Int64.self), shape: shape)
    case .uint8: try readElements(into: bytes.bindMemory(to: UInt8.self), shape: shape)
    case .uint16: try readElements(into: bytes.bindMemory(to: UInt16.self), shape: shape)
    case .uint32: try readElements(into: bytes.bindMemory(to: UInt32.self), shape: shape)
    case .uint64: try readElements(into: bytes.bindMemory(to: UInt64.self), shape: shape)
    case .bool: try readElements(into: bytes.bindMemory(to: Bool.self), shape: shape)
    default: throw error("\(type.name) elements cannot be sent as JSON: use the binary data format")
    }
  }

  private mutating func readElements<Leaf: JSONLeaf>(
    into out: UnsafeMutableBufferPointer<Leaf>, shape: Shape
  ) throws(JSONError) {
    var filled = 0
    let outside = depth
    try open(UInt8(ascii: "["))
    var isFirst = true
    while depth > outside {
      if try !nextElement(isFirst: &isFirst) {
        isFirst = false  // the inner array was an element of the one around it
        continue
      }
      if next == UInt8(ascii: "[") {
        try open(UInt8(ascii: "["))
        isFirst = true
        continue
      }
      if filled == out.count {
        throw error("'data' has more than the \(out.count) elements of shape \(shape)")
      }
      out[filled] = try Leaf.read(&self)
      filled += 1
    }
    if filled < out.count {
      throw error("'data' has \(filled) elements, shape \(shape) needs \(out.count)")
    }
  }
}
