import Tensors

/// Cuts owned tensors into pieces and joins them.
enum TensorPieces {
  /// The part of `tensor` in `range` of `axis`.
  static func slice(_ tensor: Tensor, axis: Int, _ range: Range<Int>) throws -> Tensor {
    if tensor.type.isPacked {
      return try packed(try slice(try unpacked(tensor), axis: axis, range), as: tensor.type)
    }
    var shape = tensor.shape
    shape[axis] = range.count
    let outer = shape.product(0..<axis)
    let inner = shape.product((axis + 1)..<shape.rank)
    let extent = tensor.shape[axis]
    if let strings = tensor.strings {
      let taken = (0..<outer).flatMap { block -> ArraySlice<String> in
        let start = (block * extent + range.lowerBound) * inner
        return strings[start..<(start + range.count * inner)]
      }
      return try Tensor(shape: shape, strings: taken)
    }
    let width = try elementBytes(tensor.type)
    var result = try Tensor(type: tensor.type, shape: shape)
    let bytes = range.count * inner * width
    if bytes * outer == 0 { return result }
    tensor.withBytes { source in
      result.withMutableBytes { target in
        for block in 0..<outer {
          (target.baseAddress! + block * bytes).copyMemory(
            from: source.baseAddress! + (block * extent + range.lowerBound) * inner * width, byteCount: bytes)
        }
      }
    }
    return result
  }

  /// Joins tensors that differ in extent `axis` only; a negative axis counts from the end.
  static func concatenate(_ tensors: [Tensor], axis: Int, limit: Int) throws -> Tensor {
    guard let first = tensors.first else { throw OperatorFailure.invalid("the sequence is empty") }
    guard let axis = first.shape.axis(axis) else { throw OperatorFailure.invalid("the axis is out of range") }
    var shape = first.shape
    var extent = 0
    for tensor in tensors {
      var other = tensor.shape
      guard tensor.type == first.type, other.rank == shape.rank else {
        throw OperatorFailure.invalid("the elements differ in type or rank")
      }
      let (sum, overflow) = extent.addingReportingOverflow(other[axis])
      extent = sum
      other[axis] = shape[axis]
      if overflow || other != shape {
        throw OperatorFailure.invalid("elements of shapes \(first.shape) and \(tensor.shape) are joined")
      }
    }
    shape[axis] = extent
    return try join(tensors, shape, first, axis: axis, limit: limit)
  }

  private static func join(
    _ tensors: [Tensor], _ shape: Shape, _ first: Tensor, axis: Int, limit: Int
  ) throws -> Tensor {
    guard let count = shape.checkedElementCount, let total = first.type.byteCount(elements: count),
      total <= limit
    else { throw EngineError.memoryLimit(bytes: Int.max, limit: limit) }
    if first.type.isPacked {
      let whole = try tensors.map(unpacked)
      return try packed(try join(whole, shape, whole[0], axis: axis, limit: limit), as: first.type)
    }
    let outer = shape.product(0..<axis)
    if first.type == .string {
      let sources = tensors.map { $0.strings ?? [] }
      let joined = (0..<outer).flatMap { block in
        sources.flatMap { strings in
          let part = strings.count / outer
          return strings[(block * part)..<((block + 1) * part)]
        }
      }
      return try Tensor(shape: shape, strings: joined)
    }
    _ = try elementBytes(first.type)
    var result = try Tensor(type: first.type, shape: shape)
    if total == 0 { return result }
    result.withMutableBytes { target in
      let row = target.count / outer
      var offset = 0
      for tensor in tensors where tensor.byteCount > 0 {
        let part = tensor.byteCount / outer
        tensor.withBytes { source in
          for block in 0..<outer {
            (target.baseAddress! + block * row + offset).copyMemory(
              from: source.baseAddress! + block * part, byteCount: part)
          }
        }
        offset += part
      }
    }
    return result
  }

  /// Joins tensors of one shape along a new axis.
  static func stack(_ tensors: [Tensor], axis: Int, limit: Int) throws -> Tensor {
    guard let first = tensors.first else { throw OperatorFailure.invalid("the sequence is empty") }
    let rank = first.shape.rank + 1
    let position = axis < 0 ? axis + rank : axis
    guard (0..<rank).contains(position) else { throw OperatorFailure.invalid("the axis is out of range") }
    let widened = try tensors.map { tensor in
      guard tensor.shape == first.shape else {
        throw OperatorFailure.invalid("elements of shapes \(first.shape) and \(tensor.shape) are stacked")
      }
      var dimensions = tensor.shape.dimensions
      dimensions.insert(1, at: position)
      return try tensor.reshaped(to: Shape(dimensions))
    }
    return try concatenate(widened, axis: position, limit: limit)
  }

  /// Elements that share a byte, as one byte each.
  private static func unpacked(_ tensor: Tensor) throws -> Tensor {
    let width = tensor.type.bitWidth
    let codes = tensor.withBytes { bytes in
      (0..<tensor.elementCount).map { PackedElements.code(bytes, at: $0, width: width) }
    }
    return try Tensor(shape: tensor.shape, codes)
  }

  private static func packed(_ codes: Tensor, as type: ElementType) throws -> Tensor {
    try Tensor(packing: codes.array(of: UInt8.self), type: type, shape: codes.shape)
  }

  private static func elementBytes(_ type: ElementType) throws -> Int {
    if type.bitWidth < 8 { throw OperatorFailure.type(type) }
    return type.bitWidth / 8
  }
}
