import Tensors

/// Something that is made for elements of one width, to be moved without being understood.
protocol BitsOfWidthVisitor {
  associatedtype Result
  func visit<Bits: BitwiseCopyable>(_: Bits.Type) throws -> Result
}

extension ElementType {
  /// Calls `visitor` with a type of this type's width.
  /// - Throws: `OperatorFailure.type` for strings and types packed several to a byte.
  @inline(__always)
  func withBitsOfWidth<Visitor: BitsOfWidthVisitor>(_ visitor: Visitor) throws -> Visitor.Result {
    switch bitWidth {
    case 8: try visitor.visit(UInt8.self)
    case 16: try visitor.visit(UInt16.self)
    case 32: try visitor.visit(UInt32.self)
    case 64: try visitor.visit(UInt64.self)
    case 128: try visitor.visit(SIMD2<UInt64>.self)
    default: throw OperatorFailure.type(self)
    }
  }
}

/// Reads an operand of indices, int32 or int64.
struct IndexReader: Sendable {
  let isLong: Bool

  init(_ type: OperandType) throws {
    guard type.element == .int64 || type.element == .int32 else { throw OperatorFailure.type(type.element) }
    isLong = type.element == .int64
  }

  @inline(__always)
  func callAsFunction(_ operands: KernelOperands, _ input: Int, _ position: Int) -> Int {
    isLong
      ? operands.input(input, as: Int.self)[position] : Int(operands.input(input, as: Int32.self)[position])
  }

  /// The index at `position` on an axis of `extent` elements; negative ones count from its end.
  @inline(__always)
  func resolved(
    _ operands: KernelOperands, _ input: Int, _ position: Int, extent: Int
  ) throws -> Int {
    let index = self(operands, input, position)
    let resolved = index < 0 ? index &+ extent : index
    if resolved < 0 || resolved >= extent {
      throw OperatorFailure.invalid("index \(index) is out of range for an axis of \(extent) elements")
    }
    return resolved
  }
}

/// Walks rows (lines along the last axis) of one shape and finds where they lie under other strides.
struct RowWalk: Sendable {
  /// Extents of all axes but the last.
  private let extents: [Int]
  let rows: Int
  let columns: Int

  init(_ shape: Shape) {
    columns = shape.dimensions.last ?? 1
    extents = Array(shape.dimensions.dropLast())
    rows = extents.reduce(1, *)
  }

  /// Sum of the row's coordinates times `strides`, one for each axis but the last.
  @inline(__always)
  func offset(of row: Int, _ strides: [Int]) -> Int {
    var rest = row
    var offset = 0
    for axis in stride(from: extents.count - 1, through: 0, by: -1) {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      offset += index * strides[axis]
      rest = quotient
    }
    return offset
  }
}
