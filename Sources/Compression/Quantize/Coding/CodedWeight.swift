import Tensors

/// What a step does to one weight, before anything is written.
struct CodedWeight: Sendable, Equatable {
  /// The type of `codes`: an integer, float16, bfloat16 or float8e4m3fn.
  var storage: ElementType
  /// In the layer's own layout.
  var codes: Tensor
  var groups: ScaleGroups
  /// In the order of `ScaleGroups.index`; none for float16 and bfloat16. The groups of a convolution, and the matrices of
  /// a stack in blocks, follow each other.
  var scales: [GridScale]
  /// What a reader of the report should know, such as `3 bits stored in 4`.
  var note: String?
  /// The fraction of the weights that a clipped range cut off; nil where the range covers all.
  var clipped: Double?

  /// True if a zero point other than zero must be stored.
  var hasZeroPoints: Bool { scales.contains { $0.zeroPoint != 0 } }

  /// Bytes of codes, scales, zero points and levels; what the file's graph takes for them is not counted.
  var byteCount: Int {
    let levels = scales.reduce(0) { $0 + 4 * ($1.levels?.count ?? 0) }
    if levels > 0 { return codes.byteCount + levels }
    let zeroPoints = hasZeroPoints ? storage.byteCount(elements: scales.count) ?? 0 : 0
    return codes.byteCount + 4 * scales.count + zeroPoints
  }

  /// Float32 scales in `shape`.
  /// - Throws: `TensorError.elementCountMismatch` when `shape` holds another number of them.
  func scaleTensor(_ shape: Shape) throws(TensorError) -> Tensor {
    try Tensor(shape: shape, scales.map(\.scale))
  }

  /// Zero points of the codes' type in `shape`.
  /// - Throws: `TensorError.elementCountMismatch` when `shape` holds another number of them.
  func zeroPointTensor(_ shape: Shape) throws(TensorError) -> Tensor {
    if storage.isInteger { return try Tensor(codes: scales.map(\.zeroPoint), as: storage, shape: shape) }
    return try Tensor(type: storage, shape: shape)
  }

  /// The fraction of `weight`'s elements that lie more than half a step outside of the numbers that `range` stands for.
  func fraction(of weight: Tensor, outside range: ClosedRange<Int32>, _ axes: WeightAxes) -> Double {
    let group = GroupWalk(codes.shape, axes, groups)
    let (low, high) = (Float(range.lowerBound) - 0.5, Float(range.upperBound) + 0.5)
    let count = weight.withElements(Float.self) { elements in
      elements.indices.count { index in
        let scale = scales[group.index(index)]
        let code = elements[index] / scale.scale + Float(scale.zeroPoint)
        return code < low || code > high
      }
    }
    return Double(count) / Double(max(weight.elementCount, 1))
  }

  /// The float32 weight that the codes stand for, in the layer's layout.
  func decoded(_ axes: WeightAxes) throws(TensorError) -> Tensor {
    let group = GroupWalk(codes.shape, axes, groups)
    var result = try Tensor(type: .float32, shape: codes.shape)
    if let codes = codes.integerCodes {
      result.withMutableElements(Float.self) { values in
        for index in values.indices { values[index] = scales[group.index(index)].value(codes[index]) }
      }
      return result
    }
    let numbers = try FloatStorage.numbers(codes)
    result.withMutableElements(Float.self) { values in
      for index in values.indices {
        values[index] = scales.isEmpty ? numbers[index] : numbers[index] * scales[group.index(index)].scale
      }
    }
    return result
  }
}

/// Where a weight's tensor has the axes of its matrix.
struct WeightAxes: Sendable, Hashable {
  /// Counts output channels.
  var channel: Int
  /// The inputs that an output sums over; nil where several axes are, as in convolutions, which have no blocks.
  var depth: Int?
}

/// Which group each element of a row-major tensor belongs to.
private struct GroupWalk {
  private let groups: ScaleGroups
  private let channels: Int
  private let channelStride: Int
  private var depth = 1
  private var depthStride = 1
  /// Elements of all axes from the outer one of `channel` and `depth` on: one matrix of a stack.
  private var matrix = Int.max

  init(_ shape: Shape, _ axes: WeightAxes, _ groups: ScaleGroups) {
    self.groups = groups
    let isEmpty = shape.elementCount == 0 || shape.rank == 0
    channels = isEmpty ? 1 : shape[axes.channel]
    channelStride = isEmpty ? 1 : shape.strides[axes.channel]
    guard case .blocks = groups, !isEmpty else { return }
    guard let axis = axes.depth else { preconditionFailure("blocks need an axis to lie along") }
    depth = shape[axis]
    depthStride = shape.strides[axis]
    matrix = depth * channels
    precondition(matrix == shape.product(min(axis, axes.channel)..<shape.rank), "blocks of a matrix")
  }

  func index(_ element: Int) -> Int {
    let column = element / channelStride % channels
    let row = element / depthStride % depth
    let index = groups.index(row: row, column: column, columns: channels)
    if element < matrix { return index }
    return element / matrix * groups.count(depth: depth, columns: channels) + index
  }
}
