import GraphIR
import Tensors

extension EngineTable {
  static let rearrangeOperators: [OperatorEntry] = [
    OperatorEntry("Tile", types: .byteSized, widensHalves: false) { _ in TileOperator() },
    OperatorEntry("DepthToSpace", types: .byteSized, widensHalves: false) {
      DepthToSpaceOperator(attributes: try DepthSpaceAttributes($0.node))
    },
    OperatorEntry("SpaceToDepth", types: .byteSized, widensHalves: false) {
      SpaceToDepthOperator(attributes: try DepthSpaceAttributes($0.node))
    },
    OperatorEntry("Trilu", types: .byteSized, widensHalves: false) {
      TriluOperator(isUpper: try $0.node.flag("upper", default: true))
    },
    OperatorEntry("ReverseSequence", types: .byteSized, widensHalves: false) {
      ReverseSequenceOperator(attributes: try ReverseSequenceAttributes($0.node))
    },
  ]
}

/// `Tile`: the output seen as `[repeat, extent]` for each axis, with no step along the repeats.
struct TileOperator: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    var extents: [Int] = []
    var strides: [Int] = []
    for (axis, stride) in input.shape.strides.enumerated() {
      extents += [output[axis] / input.shape[axis], input.shape[axis]]
      strides += [0, stride]
    }
    return try StridedCopy(shape: Shape(extents), strides: strides, element: input.element)
      .kernel("tile", threads: request.threads)
  }
}

/// `DepthToSpace`: blocks of channels become blocks of pixels.
struct DepthToSpaceOperator: ShapedOperator {
  let attributes: DepthSpaceAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let block = attributes.blockSize
    let (batch, height, width) = (input.shape[0], input.shape[2], input.shape[3])
    let channels = input.shape[1] / (block * block)
    let plane = height * width
    // Steps over the input's channels for the output's channel, block row and block column.
    let steps =
      attributes.mode == .DCR
      ? (plane, block * channels * plane, channels * plane) : (block * block * plane, block * plane, plane)
    return try StridedCopy(
      shape: [batch, channels, height, block, width, block],
      strides: [input.shape[1] * plane, steps.0, width, steps.1, 1, steps.2], element: input.element
    ).kernel("depth_to_space", threads: request.threads)
  }
}

/// `SpaceToDepth`: blocks of pixels become blocks of channels.
struct SpaceToDepthOperator: ShapedOperator {
  let attributes: DepthSpaceAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let block = attributes.blockSize
    let (batch, channels, height, width) = (input.shape[0], input.shape[1], input.shape[2], input.shape[3])
    return try StridedCopy(
      shape: [batch, block, block, channels, height / block, width / block],
      strides: [channels * height * width, width, 1, height * width, width * block, block],
      element: input.element
    ).kernel("space_to_depth", threads: request.threads)
  }
}

/// `Trilu`: the elements on one side of a diagonal, zeros on the other.
struct TriluOperator: ShapedOperator {
  let isUpper: Bool

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    if input.elementCount == 0 { return .nothing }
    let rank = input.shape.rank
    let (rows, columns) = (input.shape[rank - 2], input.shape[rank - 1])
    let width = input.element.bitWidth / 8
    let hasDiagonal = request.hasInput(1)
    let isUpper = isUpper
    return Kernel(
      "trilu", units: input.elementCount / columns, costPerUnit: columns, threads: request.threads
    ) {
      operands, range in
      let diagonal = hasDiagonal ? operands.input(1, as: Int.self)[0] : 0
      for row in range {
        // Columns before the split are on or below the diagonal; upper matrices keep the diagonal too.
        let (shifted, overflow) = (row % rows).addingReportingOverflow(diagonal)
        let place = overflow ? (diagonal > 0 ? columns : -1) : shifted
        let split = min(max(isUpper ? place : place == Int.max ? place : place + 1, 0), columns) * width
        let source = operands.rawInput(0) + row * columns * width
        let target = operands.rawOutput() + row * columns * width
        let end = columns * width
        if isUpper {
          target.initializeMemory(as: UInt8.self, repeating: 0, count: split)
          (target + split).copyMemory(from: source + split, byteCount: end - split)
        } else {
          target.copyMemory(from: source, byteCount: split)
          (target + split).initializeMemory(as: UInt8.self, repeating: 0, count: end - split)
        }
      }
    }
  }
}

/// `ReverseSequence`: the first `length` steps of each batch entry in reverse, the rest as it is.
struct ReverseSequenceOperator: ShapedOperator {
  let attributes: ReverseSequenceAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    if input.elementCount == 0 { return .nothing }
    let steps = input.shape[attributes.timeAxis]
    let batches = input.shape[attributes.batchAxis]
    let bytes = input.shape.product(2..<input.shape.rank) * input.element.bitWidth / 8
    let (timeStride, batchStride) =
      attributes.timeAxis == 0 ? (batches * bytes, bytes) : (bytes, steps * bytes)
    return Kernel(
      "reverse_sequence", units: batches, costPerUnit: steps * (bytes / 8 + 1), threads: request.threads
    ) {
      operands, range in
      for batch in range {
        let length = operands.input(1, as: Int.self)[batch]
        if length < 0 || length > steps {
          throw OperatorFailure.invalid("length \(length) is out of range for \(steps) steps")
        }
        for step in 0..<steps {
          let from = step < length ? length - 1 - step : step
          (operands.rawOutput() + batch * batchStride + step * timeStride).copyMemory(
            from: operands.rawInput(0) + batch * batchStride + from * timeStride, byteCount: bytes)
        }
      }
    }
  }
}
