import GraphIR
import Tensors

extension EngineTable {
  static let gatherOperators: [OperatorEntry] = [
    OperatorEntry("GatherElements", types: .byteSized, widensHalves: false) {
      GatherElementsOperator(axis: try $0.node.int("axis", default: 0))
    },
    OperatorEntry("GatherND", types: .byteSized, widensHalves: false) {
      GatherNDOperator(batchAxes: try $0.node.int("batch_dims", default: 0))
    },
  ]
}

/// `GatherElements`: each output element has its own index along the axis.
struct GatherElementsOperator: ShapedOperator {
  let axis: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    try request.input(0).element.withBitsOfWidth(Builder(axis: axis, request: request))
  }

  private struct Builder: BitsOfWidthVisitor {
    let axis: Int
    let request: PrepareRequest

    func visit<Bits: BitwiseCopyable>(_: Bits.Type) throws -> Kernel {
      let data = try request.input(0).shape
      let indices = try request.input(1)
      let reader = try IndexReader(indices)
      guard let axis = data.axis(axis) else { throw OperatorFailure.invalid("axis \(axis) is out of range") }
      if indices.elementCount == 0 { return .nothing }
      let walk = RowWalk(indices.shape)
      let axisStride = data.strides[axis]
      var strides = data.strides
      strides[axis] = 0
      let columnStride = strides.popLast() ?? 0
      let rowStrides = strides
      let extent = data[axis]
      return Kernel(
        "gather_elements", units: walk.rows, costPerUnit: 2 * walk.columns, threads: request.threads
      ) {
        operands, range in
        let source: UnsafePointer<Bits> = operands.input(0)
        let result: UnsafeMutablePointer<Bits> = operands.output()
        for row in range {
          let start = source + walk.offset(of: row, rowStrides)
          for column in 0..<walk.columns {
            let position = row * walk.columns + column
            let index = try reader.resolved(operands, 1, position, extent: extent)
            result[position] = start[column * columnStride + index * axisStride]
          }
        }
      }
    }
  }
}

/// `GatherND`: whole blocks by tuples of indices.
struct GatherNDOperator: ShapedOperator {
  let batchAxes: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let data = try request.input(0)
    let indices = try request.input(1)
    let places = try IndexedBlocks(data, indices, batchAxes: batchAxes)
    if try request.output().elementCount == 0 { return .nothing }
    return Kernel(
      "gather_nd", units: places.count, costPerUnit: places.blockBytes / 8 + 8, threads: request.threads
    ) { operands, range in
      for tuple in range {
        let offset = try places.offset(of: tuple, operands)
        (operands.rawOutput() + tuple * places.blockBytes).copyMemory(
          from: operands.rawInput(0) + offset, byteCount: places.blockBytes)
      }
    }
  }
}

/// Where the blocks lie that tuples of indices (input 1) name in a tensor: shared by GatherND and ScatterND.
struct IndexedBlocks: Sendable {
  let count: Int
  let blockBytes: Int
  private let depth: Int
  private let extents: [Int]
  /// In bytes.
  private let strides: [Int]
  private let tuplesPerBatch: Int
  private let batchBytes: Int

  init(_ data: OperandType, _ indices: OperandType, batchAxes: Int) throws {
    guard indices.element == .int64, let depth = indices.shape.dimensions.last, data.element.bitWidth >= 8
    else {
      throw OperatorFailure.type(indices.element, data.element)
    }
    let width = data.element.bitWidth / 8
    self.depth = depth
    count = indices.shape.product(0..<(indices.shape.rank - 1))
    let axes = batchAxes..<(batchAxes + depth)
    extents = Array(data.shape.dimensions[axes])
    strides = data.shape.strides[axes].map { $0 * width }
    blockBytes = data.shape.product(axes.upperBound..<data.shape.rank) * width
    let batches = data.shape.product(0..<batchAxes)
    tuplesPerBatch = batches == 0 ? 1 : max(1, count / batches)
    batchBytes = data.shape.product(batchAxes..<data.shape.rank) * width
  }

  /// In bytes from the start of the data.
  @inline(__always)
  func offset(of tuple: Int, _ operands: KernelOperands) throws -> Int {
    let indices = operands.input(1, as: Int.self) + tuple * depth
    var offset = tuple / tuplesPerBatch * batchBytes
    for axis in 0..<depth {
      let index = indices[axis]
      let resolved = index < 0 ? index &+ extents[axis] : index
      if resolved < 0 || resolved >= extents[axis] {
        throw OperatorFailure.invalid(
          "index \(index) is out of range for an axis of \(extents[axis]) elements")
      }
      offset += resolved * strides[axis]
    }
    return offset
  }
}
