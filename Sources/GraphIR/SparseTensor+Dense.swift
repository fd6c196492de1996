import Tensors

extension SparseTensor {
  /// The tensor with its zeros, or empty strings, written out.
  /// - Parameter name: for messages.
  /// - Throws: `GraphError.invalidTensor` when shape, values and indices do not fit together.
  public func dense(name: String) throws(GraphError) -> Tensor {
    func refuse(_ reason: String) -> GraphError { .invalidTensor(name: name, reason: "sparse: \(reason)") }
    guard let count = shape.checkedElementCount else { throw refuse("invalid shape \(shape)") }
    if values.shape.rank != 1 { throw refuse("values have shape \(values.shape)") }
    let positions = try linearIndices(refuse)
    var previous = -1
    for position in positions {
      if position <= previous || position >= count {
        throw refuse("index \(position) is not ascending or too large")
      }
      previous = position
    }
    do {
      if let strings = values.strings {
        var dense = [String](repeating: "", count: count)
        for (position, string) in zip(positions, strings) { dense[position] = string }
        return try Tensor(shape: shape, strings: dense)
      }
      var dense = try Tensor(type: values.type, shape: shape)
      scatter(to: &dense, positions)
      return dense
    } catch {
      throw refuse("\(error)")
    }
  }

  private func linearIndices(_ refuse: (String) -> GraphError) throws(GraphError) -> [Int] {
    guard indices.type == .int64 else { throw refuse("indices are \(indices.type.name)") }
    let flat = indices.array(of: Int.self)
    if indices.shape == Shape([values.elementCount]) { return flat }
    guard indices.shape == Shape([values.elementCount, shape.rank]) else {
      throw refuse("indices have shape \(indices.shape)")
    }
    let strides = shape.strides
    var positions: [Int] = []
    for row in 0..<values.elementCount {
      var position = 0
      for axis in 0..<shape.rank {
        let index = flat[row * shape.rank + axis]
        if !(0..<shape[axis]).contains(index) {
          throw refuse("index \(index) on axis \(axis) is out of range")
        }
        position += index * strides[axis]
      }
      positions.append(position)
    }
    return positions
  }

  private func scatter(to dense: inout Tensor, _ positions: [Int]) {
    let width = values.type.bitWidth
    values.withBytes { source in
      dense.withMutableBytes { destination in
        if width >= 8 {
          let size = width / 8
          for (index, position) in positions.enumerated() {
            for byte in 0..<size { destination[position * size + byte] = source[index * size + byte] }
          }
          return
        }
        // Packed types: first element in the lowest bits.
        let perByte = 8 / width
        let mask = UInt8((1 << width) - 1)
        for (index, position) in positions.enumerated() {
          let bits = source[index / perByte] >> UInt8(index % perByte * width) & mask
          destination[position / perByte] |= bits << UInt8(position % perByte * width)
        }
      }
    }
  }
}
