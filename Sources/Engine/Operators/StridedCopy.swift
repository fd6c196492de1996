import Tensors

/// Copies a strided part of one array into a dense one: what Transpose, Slice, Expand and others come down to.
/// Elements are moved as plain bytes of their width.
struct StridedCopy: Sendable {
  /// Element counts; a stride may be 0 or negative.
  private let extents: [Int]
  private let strides: [Int]
  private let offset: Int
  private let rows: Int
  private let columns: Int
  private let columnStride: Int
  private let width: Int

  /// - Parameters:
  ///   - shape: of the destination.
  ///   - strides: of the source, one for each axis of `shape`, in elements.
  ///   - offset: of the first element in the source.
  init(shape: Shape, strides: [Int], offset: Int = 0, element: ElementType) throws {
    guard element.bitWidth >= 8 else { throw OperatorFailure.type(element) }
    var extents: [Int] = []
    var joined: [Int] = []
    for (extent, stride) in zip(shape.dimensions, strides) where extent != 1 {
      if let last = joined.last, last == stride * extent {
        extents[extents.count - 1] *= extent
        joined[joined.count - 1] = stride
      } else {
        extents.append(extent)
        joined.append(stride)
      }
    }
    columns = extents.popLast() ?? 1
    columnStride = joined.popLast() ?? 1
    rows = extents.reduce(1, *)
    self.extents = extents
    self.strides = joined
    self.offset = offset
    width = element.bitWidth / 8
  }

  func kernel(_ name: String, input: Int = 0, threads: Int) -> Kernel {
    if rows * columns == 0 { return .nothing }
    let copy = self
    // A single row is cut too, so units are elements then.
    if rows == 1 {
      return Kernel(name, units: columns, costPerUnit: 1, threads: threads) { operands, range in
        copy.copy(
          operands.rawInput(input) + (copy.offset + range.lowerBound * copy.columnStride) * copy.width,
          operands.rawOutput() + range.lowerBound * copy.width, count: range.count)
      }
    }
    return Kernel(name, units: rows, costPerUnit: columns, threads: threads) { operands, range in
      let source = operands.rawInput(input)
      let destination = operands.rawOutput()
      // Rows of the innermost axis outside them follow each other with one stride.
      let length = copy.extents[copy.extents.count - 1]
      let step = copy.strides[copy.extents.count - 1] * copy.width
      var row = range.lowerBound
      while row < range.upperBound {
        let end = min(range.upperBound, row - row % length + length)
        var from = source + copy.position(row) * copy.width
        while row < end {
          copy.copy(from, destination + row * copy.columns * copy.width, count: copy.columns)
          from += step
          row += 1
        }
      }
    }
  }

  private func position(_ row: Int) -> Int {
    var rest = row
    var position = offset
    for axis in stride(from: extents.count - 1, through: 0, by: -1) {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      position += index * strides[axis]
      rest = quotient
    }
    return position
  }

  @inline(__always)
  private func copy(_ source: UnsafeRawPointer, _ destination: UnsafeMutableRawPointer, count: Int) {
    if columnStride == 1 {
      destination.copyMemory(from: source, byteCount: count * width)
      return
    }
    switch width {
    case 1: gather(source, destination, count, UInt8.self)
    case 2: gather(source, destination, count, UInt16.self)
    case 4: gather(source, destination, count, UInt32.self)
    case 8: gather(source, destination, count, UInt64.self)
    default: gather(source, destination, count, (UInt64, UInt64).self)
    }
  }

  @inline(__always)
  private func gather<Bits>(
    _ source: UnsafeRawPointer, _ destination: UnsafeMutableRawPointer, _ count: Int, _: Bits.Type
  ) {
    let source = source.assumingMemoryBound(to: Bits.self)
    let destination = destination.assumingMemoryBound(to: Bits.self)
    for index in 0..<count { destination[index] = source[index * columnStride] }
  }
}
