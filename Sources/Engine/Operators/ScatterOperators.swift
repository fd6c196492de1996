import GraphIR
import Tensors

extension EngineTable {
  static let scatterOperators: [OperatorEntry] = [
    OperatorEntry("ScatterElements", types: .byteSized, widensHalves: false) { source in
      try reducing(source) { ScatterElementsOperator(attributes: try ScatterAttributes($0.node)) }
    },
    OperatorEntry("ScatterND", types: .byteSized, widensHalves: false) { source in
      try reducing(source) { ScatterNDOperator(attributes: try ScatterAttributes($0.node)) }
    },
    OperatorEntry("TensorScatter", types: .byteSized, widensHalves: false, movesPacked: true) {
      TensorScatterOperator(attributes: try TensorScatterAttributes($0.node))
    },
  ]

  /// Reductions compute, so that float16 and bfloat16 have to be widened for them; plain writes move bytes.
  private static func reducing(
    _ source: OperatorSource, _ make: (OperatorSource) throws -> any ShapedOperator
  ) throws -> any ShapedOperator {
    let reduction = try ScatterAttributes(source.node).reduction
    guard let element = source.element(0), reduction != .none, [ElementType].halves.contains(element) else {
      return try make(source)
    }
    return WidenedOperator(try make(source.widened()))
  }
}

/// Writes one element or block of updates to its place.
private struct Combine<Element: ArithmeticElement> {
  let reduction: ScatterAttributes.Reduction

  @inline(__always)
  func callAsFunction(_ old: Element, _ update: Element) -> Element {
    switch reduction {
    case .none: update
    case .add: Element.wrappingAdd(old, update)
    case .mul: Element.wrappingMultiply(old, update)
    case .max: Element.greater(old, update)
    case .min: Element.lesser(old, update)
    }
  }
}

/// Copies the data to the output, unless they are the same memory.
private func copyData(_ operands: KernelOperands, bytes: Int) {
  if operands.rawInput(0) != UnsafeRawPointer(operands.rawOutput()) {
    operands.rawOutput().copyMemory(from: operands.rawInput(0), byteCount: bytes)
  }
}

/// `ScatterElements`. Updates are written in order, so that the last one of several for a place stays.
struct ScatterElementsOperator: ShapedOperator {
  let attributes: ScatterAttributes

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let element = try request.input(0).element
    let places = try Places(request, axis: attributes.axis)
    return attributes.reduction == .none
      ? try element.withBitsOfWidth(MoveBuilder(places: places))
      : try element.withArithmetic(ReduceBuilder(places: places, reduction: attributes.reduction))
  }

  /// Where each update goes.
  private struct Places {
    let walk: RowWalk
    let reader: IndexReader
    let rowStrides: [Int]
    let columnStride: Int
    let axisStride: Int
    let extent: Int
    let dataBytes: Int
    let isEmpty: Bool

    init(_ request: PrepareRequest, axis: Int) throws {
      let data = try request.input(0)
      let indices = try request.input(1)
      reader = try IndexReader(indices)
      guard let axis = data.shape.axis(axis) else {
        throw OperatorFailure.invalid("axis \(axis) is out of range")
      }
      walk = RowWalk(indices.shape)
      var strides = data.shape.strides
      axisStride = strides[axis]
      strides[axis] = 0
      columnStride = strides.popLast() ?? 0
      rowStrides = strides
      extent = data.shape[axis]
      dataBytes = data.byteCount
      isEmpty = indices.elementCount == 0
    }

    func kernel<Element>(_ write: @escaping (inout Element, Element) -> Void) -> Kernel {
      Kernel("scatter_elements") { operands, _ in
        copyData(operands, bytes: dataBytes)
        if isEmpty { return }
        let updates: UnsafePointer<Element> = operands.input(2)
        let result: UnsafeMutablePointer<Element> = operands.output()
        for row in 0..<walk.rows {
          let start = result + walk.offset(of: row, rowStrides)
          for column in 0..<walk.columns {
            let position = row * walk.columns + column
            let index = try reader.resolved(operands, 1, position, extent: extent)
            write(&start[column * columnStride + index * axisStride], updates[position])
          }
        }
      }
    }
  }

  private struct MoveBuilder: BitsOfWidthVisitor {
    let places: Places
    func visit<Bits: BitwiseCopyable>(_: Bits.Type) throws -> Kernel {
      places.kernel { (old: inout Bits, update: Bits) in old = update }
    }
  }

  private struct ReduceBuilder: ArithmeticVisitor {
    let places: Places
    let reduction: ScatterAttributes.Reduction
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> Kernel {
      let combine = Combine<Element>(reduction: reduction)
      return places.kernel { (old: inout Element, update: Element) in old = combine(old, update) }
    }
  }
}

/// `ScatterND`: whole blocks at tuples of indices, in order.
struct ScatterNDOperator: ShapedOperator {
  let attributes: ScatterAttributes

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let data = try request.input(0)
    let places = try IndexedBlocks(data, try request.input(1), batchAxes: 0)
    let bytes = data.byteCount
    if attributes.reduction != .none {
      return try data.element.withArithmetic(
        ReduceBuilder(places: places, bytes: bytes, reduction: attributes.reduction))
    }
    return Kernel("scatter_nd") { operands, _ in
      copyData(operands, bytes: bytes)
      for tuple in 0..<places.count {
        (operands.rawOutput() + (try places.offset(of: tuple, operands))).copyMemory(
          from: operands.rawInput(2) + tuple * places.blockBytes, byteCount: places.blockBytes)
      }
    }
  }

  private struct ReduceBuilder: ArithmeticVisitor {
    let places: IndexedBlocks
    let bytes: Int
    let reduction: ScatterAttributes.Reduction

    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> Kernel {
      let combine = Combine<Element>(reduction: reduction)
      let width = MemoryLayout<Element>.stride
      let count = places.blockBytes / width
      return Kernel("scatter_nd") { operands, _ in
        copyData(operands, bytes: bytes)
        for tuple in 0..<places.count {
          let target = operands.output(0, as: Element.self) + (try places.offset(of: tuple, operands)) / width
          let update = operands.input(2, as: Element.self) + tuple * count
          for index in 0..<count { target[index] = combine(target[index], update[index]) }
        }
      }
    }
  }
}

/// `TensorScatter`: writes each batch entry's new rows into its cache, from its own start.
struct TensorScatterOperator: ShapedOperator {
  let attributes: TensorScatterAttributes

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let cache = try request.input(0)
    let update = try request.input(1)
    guard let axis = cache.shape.axis(attributes.axis), axis > 0 else {
      throw OperatorFailure.invalid("axis \(attributes.axis) is out of range")
    }
    let width = cache.element.bitWidth / 8
    let rowBytes = cache.shape.product((axis + 1)..<cache.shape.rank) * width
    let blocksPerBatch = cache.shape.product(1..<axis)
    let batches = cache.shape[0]
    let (room, count) = (cache.shape[axis], update.shape[axis])
    let hasStarts = request.hasInput(2)
    let isCircular = attributes.mode == .circular
    let bytes = cache.byteCount
    return Kernel("tensor_scatter") { operands, _ in
      copyData(operands, bytes: bytes)
      for batch in 0..<batches {
        let start = hasStarts ? operands.input(2, as: Int.self)[batch] : 0
        if start < 0 || (isCircular ? start >= room : start > room - count) {
          throw OperatorFailure.invalid("\(count) entries from \(start) do not fit a cache of \(room)")
        }
        for block in 0..<blocksPerBatch {
          let place = batch * blocksPerBatch + block
          for row in 0..<count {
            let target = place * room + (start + row) % room
            (operands.rawOutput() + target * rowBytes).copyMemory(
              from: operands.rawInput(1) + (place * count + row) * rowBytes, byteCount: rowBytes)
          }
        }
      }
    }
  }
}
