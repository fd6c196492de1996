import Tensors

/// One number for each channel, in double precision.
struct ChannelValues {
  var values: [Double]
  var count: Int { values.count }

  init(_ values: [Double]) { self.values = values }

  /// Takes `[channels]`, `[1, channels]` or a single element.
  init?(_ tensor: Tensor, channels: Int) {
    guard let values = tensor.doubles else { return nil }
    let isRow = tensor.shape.rank <= 1 || tensor.shape.product(0..<(tensor.shape.rank - 1)) == 1
    if values.count == 1 {
      self.values = Array(repeating: values[0], count: channels)
    } else if values.count == channels && isRow {
      self.values = values
    } else {
      return nil
    }
  }

  func tensor(of type: ElementType) throws(GraphError) -> Tensor {
    do {
      if type == .float64 { return try Tensor(shape: [count], values) }
      return try Tensor(shape: [count], values.map { Float($0) })
    } catch {
      throw .invalidGraph(reason: "channels: \(error)")
    }
  }
}

/// Where the output channels lie in a weight.
struct ChannelLayout {
  enum Kind { case convolution, transposedConvolution, gemm, matMul }
  let kind: Kind
  /// What a Gemm multiplies its bias with; 1 for the others.
  let beta: Double
  private let channelOf: (Int) -> Int

  init?(_ node: Node, weight: Tensor, channels: Int, hasAddition: Bool) {
    guard weight.type == .float32 || weight.type == .float64, node.op.domain.isEmpty, channels > 0 else {
      return nil
    }
    let shape = weight.shape
    var beta = 1.0
    switch node.op.type {
    case "Conv" where shape.rank >= 3 && shape[0] == channels && !hasAddition:
      kind = .convolution
      let step = shape.product(1..<shape.rank)
      channelOf = { $0 / step }
    case "ConvTranspose" where shape.rank >= 3 && !hasAddition:
      let group = node.attributes.int("group") ?? 1
      guard group > 0, shape[0] % group == 0, shape[0] > 0, shape[1] * group == channels else { return nil }
      kind = .transposedConvolution
      let perGroup = shape[1]
      let step = shape.product(2..<shape.rank)
      let rowsPerGroup = shape[0] / group
      channelOf = { index in
        let row = index / (step * perGroup)
        return row / rowsPerGroup * perGroup + index / step % perGroup
      }
    case "Gemm" where shape.rank == 2 && !hasAddition:
      let isTransposed = (node.attributes.int("transB") ?? 0) != 0
      guard shape[isTransposed ? 0 : 1] == channels else { return nil }
      kind = .gemm
      beta = Double(node.attributes.float("beta") ?? 1)
      let columns = shape[1]
      channelOf = isTransposed ? { $0 / columns } : { $0 % columns }
    case "MatMul" where shape.rank == 2 && shape[1] == channels:
      kind = .matMul
      channelOf = { $0 % channels }
    default: return nil
    }
    self.beta = beta
  }

  /// `weight` with every element multiplied by its channel's factor.
  func scaled(_ weight: Tensor, by factors: [Double]) -> Tensor {
    var result = weight
    if weight.type == .float64 {
      result.withMutableElements(Double.self) { elements in
        for index in elements.indices { elements[index] *= factors[channelOf(index)] }
      }
    } else {
      result.withMutableElements(Float.self) { elements in
        for index in elements.indices {
          elements[index] = Float(Double(elements[index]) * factors[channelOf(index)])
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// The elements of a float32 or float64 tensor; nil for other types.
  var doubles: [Double]? {
    switch type {
    case .float32: array(of: Float.self).map(Double.init)
    case .float64: array(of: Double.self)
    default: nil
    }
  }
}

extension GraphPatch {
  /// Puts `tensor` into `value`, or into a new value called `name` when there is none.
  mutating func constant(_ value: ValueID?, _ name: String, _ tensor: Tensor) -> ValueID {
    guard let value else { return addConstant(name, tensor) }
    setConstant(value, tensor)
    return value
  }
}

extension GraphUses {
  func isReadOnce(_ id: ValueID) -> Bool { readCount(of: id) == 1 && !isOutput(id) }
}
