import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let movementOperators: [OperatorEntry] = [
    OperatorEntry("Transpose", types: .byteSized, movesPacked: true) {
      TransposeOperator(permutation: try $0.node.ints("perm"))
    },
    OperatorEntry("Expand", types: .byteSized, movesPacked: true) { _ in ExpandOperator() },
    OperatorEntry("Slice", types: .byteSized, movesPacked: true) { _ in SliceOperator() },
    OperatorEntry("Concat", types: .byteSized, movesPacked: true) {
      ConcatOperator(axis: try $0.node.requiredInt("axis"))
    },
    OperatorEntry("Split", types: .byteSized, movesPacked: true) {
      SplitOperator(axis: try $0.node.int("axis", default: 0))
    },
    OperatorEntry("Gather", types: .byteSized, movesPacked: true) {
      GatherOperator(axis: try $0.node.int("axis", default: 0))
    },
  ]
}

/// `Transpose`.
struct TransposeOperator: ShapedOperator {
  let permutation: [Int]?

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let permutation = permutation ?? Array((0..<input.shape.rank).reversed())
    let strides = input.shape.strides
    if let swap = MatrixSwap(input, permutation) { return swap.kernel(threads: request.threads) }
    let copy = try StridedCopy(
      shape: try request.output().shape, strides: permutation.map { strides[$0] }, element: input.element)
    return copy.kernel("transpose", threads: request.threads)
  }
}

/// A transposition that swaps two neighbouring groups of axes, the second one being the last: a stack of
/// matrix transpositions, which vector kernels do for elements of 8 and 32 bits.
private struct MatrixSwap {
  let count: Int
  let rows: Int
  let columns: Int
  /// Bytes of an element.
  let width: Int

  init?(_ input: OperandType, _ permutation: [Int]) {
    let rank = input.shape.rank
    guard [8, 32].contains(input.element.bitWidth), rank >= 2,
      let first = permutation.indices.first(where: { permutation[$0] != $0 })
    else { return nil }
    let split = permutation[first]
    let expected = Array(0..<first) + Array(split..<rank) + Array(first..<split)
    if expected != permutation { return nil }
    count = input.shape.product(0..<first)
    rows = input.shape.product(first..<split)
    columns = input.shape.product(split..<rank)
    width = input.element.bitWidth / 8
  }

  /// Columns that a piece of a large matrix has at least.
  private static let columnsPerPart = 64

  func kernel(threads: Int) -> Kernel {
    if count * rows * columns == 0 { return .nothing }
    let (rows, columns, bytes) = (rows, columns, width)
    let parts = threads == 1 ? 1 : (columns - 1) / Self.columnsPerPart + 1
    let width = (columns - 1) / parts + 1
    return Kernel(
      Kernels.name("transpose"), units: count * parts, costPerUnit: rows * width, threads: threads
    ) { operands, range in
      for unit in range {
        let (matrix, part) = unit.quotientAndRemainder(dividingBy: parts)
        let first = part * width
        let count = min(width, columns - first)
        if count <= 0 { continue }
        let offset = matrix * rows * columns
        let source = operands.rawInput(0) + (offset + first) * bytes
        let destination = operands.rawOutput() + (offset + first * rows) * bytes
        if bytes == 1 {
          Kernels.current.transpose_8(
            source.assumingMemoryBound(to: UInt8.self), columns,
            destination.assumingMemoryBound(to: UInt8.self), rows, rows, count)
        } else {
          Kernels.current.transpose_32(source, columns, destination, rows, rows, count)
        }
      }
    }
  }
}

/// `Expand`.
struct ExpandOperator: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let output = try request.output().shape
    let own = input.shape.strides
    let missing = output.rank - input.shape.rank
    let strides = (0..<output.rank).map { axis in
      axis < missing || input.shape[axis - missing] == 1 ? 0 : own[axis - missing]
    }
    let copy = try StridedCopy(shape: output, strides: strides, element: input.element)
      .kernel("expand", threads: request.threads)
    if request.constant(1) != nil { return copy }
    return Kernel(copy.name, phases: [try Self.check(request.input(1), output)] + copy.phases)
  }

  /// A wanted extent that was not known before the run was taken to be 1 or the input's: it must be.
  private static func check(_ wanted: OperandType, _ output: Shape) -> Kernel.Phase {
    let extents = output.dimensions.suffix(wanted.elementCount)
    return Kernel.Phase(pieces: 1) { operands, _ in
      let wanted: UnsafePointer<Int> = operands.input(1)
      for (axis, extent) in extents.enumerated() where wanted[axis] != 1 && wanted[axis] != extent {
        throw OperatorFailure.invalid("an axis of \(extent) elements cannot be expanded to \(wanted[axis])")
      }
    }
  }
}

/// `Slice`.
struct SliceOperator: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let starts = try request.integers(1)
    let ends = try request.integers(2)
    let axes = request.hasInput(3) ? try request.integers(3) : Array(starts.indices)
    let steps = request.hasInput(4) ? try request.integers(4) : starts.map { _ in 1 }
    var strides = input.shape.strides
    var offset = 0
    for (index, axis) in axes.enumerated() {
      guard let axis = input.shape.axis(axis) else {
        throw OperatorFailure.invalid("axis \(axis) is out of range")
      }
      let bounds = SliceBounds(start: starts[index], end: ends[index], step: steps[index])
      let part = bounds.resolve(extent: input.shape[axis])
      offset += part.first * strides[axis]
      strides[axis] *= part.step
    }
    return try StridedCopy(
      shape: try request.output().shape, strides: strides, offset: offset, element: input.element
    ).kernel("slice", threads: request.threads)
  }
}

/// `Concat`.
struct ConcatOperator: ShapedOperator {
  /// Rows that are copied from one input before the next one's, so that lines of the output stay in the cache.
  private static let rowsPerBlock = 32

  let axis: Int

  /// Whether each pixel (all axes but the last) of the output is put together from those of the inputs.
  func joinsPixels(_ output: Shape) -> Bool {
    output.rank > 2 && output.axis(axis) == output.rank - 1 && output.product(0..<(output.rank - 1)) > 1
  }

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { true }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    guard let axis = output.shape.axis(axis) else {
      throw OperatorFailure.invalid("axis \(axis) is out of range")
    }
    let outer = output.shape.product(0..<axis)
    let inner = output.shape.product((axis + 1)..<output.shape.rank) * output.element.bitWidth / 8
    let width = output.element.bitWidth / 8
    let strides = request.pixelStrides
    let parts = try request.inputs.indices.map { index in
      let length = try request.input(index).shape[axis] * inner
      return (length: length, stride: strides.input(index).map { $0 * width } ?? length)
    }
    let total = parts.reduce(0) { $0 + $1.length }
    if total * outer == 0 { return .nothing }
    let pitch = strides.output.map { $0 * width } ?? total
    return Kernel("concat", units: outer, costPerUnit: total / 8 + parts.count, threads: request.threads) {
      operands, range in
      for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.rowsPerBlock) {
        let last = min(first + Self.rowsPerBlock, range.upperBound)
        var offset = 0
        for (index, part) in parts.enumerated() {
          let (source, destination) = (operands.rawInput(index), operands.rawOutput() + offset)
          offset += part.length
          // What was written there has been joined already.
          if source == UnsafeRawPointer(destination) && part.stride == pitch { continue }
          for row in first..<last {
            (destination + row * pitch).copyMemory(from: source + row * part.stride, byteCount: part.length)
          }
        }
      }
    }
  }
}

/// `Split`.
struct SplitOperator: ShapedOperator {
  let axis: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    guard let axis = input.shape.axis(axis) else {
      throw OperatorFailure.invalid("axis \(axis) is out of range")
    }
    let outer = input.shape.product(0..<axis)
    let inner = input.shape.product((axis + 1)..<input.shape.rank) * input.element.bitWidth / 8
    let parts = try partExtents(request, input.shape[axis]).map { $0 * inner }
    let isWanted = request.outputs.map { $0 != nil }
    let total = input.shape[axis] * inner
    if total * outer == 0 { return .nothing }
    return Kernel("split", units: outer, costPerUnit: total / 8 + parts.count, threads: request.threads) {
      operands, range in
      for row in range {
        var source = operands.rawInput(0) + row * total
        for (index, length) in parts.enumerated() {
          if isWanted[index] {
            (operands.rawOutput(index) + row * length).copyMemory(from: source, byteCount: length)
          }
          source += length
        }
      }
    }
  }

  private func partExtents(_ request: PrepareRequest, _ extent: Int) throws -> [Int] {
    if request.hasInput(1) { return try request.integers(1) }
    return try SplitAttributes(request.node).parts(of: extent)
  }
}

/// `Gather`: whole blocks by index along one axis.
struct GatherOperator: ShapedOperator {
  let axis: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let indices = try request.input(1)
    guard let axis = input.shape.axis(axis) else {
      throw OperatorFailure.invalid("axis \(axis) is out of range")
    }
    let extent = input.shape[axis]
    let outer = input.shape.product(0..<axis)
    let inner = input.shape.product((axis + 1)..<input.shape.rank) * input.element.bitWidth / 8
    let count = indices.elementCount
    let isLong = indices.element == .int64
    if try request.output().elementCount == 0 { return .nothing }
    return Kernel("gather", units: outer * count, costPerUnit: inner / 8 + 4, threads: request.threads) {
      operands, range in
      for unit in range {
        let (block, position) = unit.quotientAndRemainder(dividingBy: count)
        var index =
          isLong
          ? operands.input(1, as: Int.self)[position] : Int(operands.input(1, as: Int32.self)[position])
        if index < 0 { index += extent }
        guard index >= 0 && index < extent else {
          throw OperatorFailure.invalid("index \(index) is out of range for an axis of \(extent) elements")
        }
        (operands.rawOutput() + unit * inner).copyMemory(
          from: operands.rawInput(0) + (block * extent + index) * inner, byteCount: inner)
      }
    }
  }
}
