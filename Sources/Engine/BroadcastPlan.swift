import Tensors

/// How up to three row-major operands are walked when numpy broadcasting stretches them to one shape.
///
/// Neighbouring axes along which all operands behave alike are joined. What remains is a list of rows: along
/// a row each operand either advances by one element (step 1) or stays (step 0).
struct BroadcastPlan: Sendable {
  let columns: Int
  let rows: Int
  /// By operand.
  let steps: [Int]
  /// Axes outside the row, outermost first.
  private let extents: [Int]
  /// `[axis][operand]`
  private let strides: [[Int]]

  init(_ operands: [Shape], output: Shape) {
    var extents: [Int] = []
    var strides: [[Int]] = []
    let operandStrides = operands.map { Self.strides($0, output) }
    for axis in 0..<output.rank where output[axis] != 1 {
      let own = operandStrides.map { $0[axis] }
      if let outer = strides.last, zip(outer, own).allSatisfy({ $0 == $1 * output[axis] }) {
        extents[extents.count - 1] *= output[axis]
        strides[strides.count - 1] = own
      } else {
        extents.append(output[axis])
        strides.append(own)
      }
    }
    columns = extents.popLast() ?? 1
    steps = strides.popLast() ?? operands.map { _ in 0 }
    rows = extents.reduce(1, *)
    self.extents = extents
    self.strides = strides
  }

  /// Strides of `shape` along the axes of `output`: 0 where it is stretched.
  private static func strides(_ shape: Shape, _ output: Shape) -> [Int] {
    let own = shape.strides
    let missing = output.rank - shape.rank
    return (0..<output.rank).map { axis in
      axis < missing || shape[axis - missing] == 1 ? 0 : own[axis - missing]
    }
  }

  /// Where row `row` begins in operand `operand`.
  func offset(_ row: Int, _ operand: Int) -> Int {
    var rest = row
    var offset = 0
    for axis in stride(from: extents.count - 1, through: 0, by: -1) {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      offset += index * strides[axis][operand]
      rest = quotient
    }
    return offset
  }

  /// Rows that follow each other with one stride: the extent of the innermost axis outside the row.
  var rowsPerBlock: Int { extents.last ?? 1 }
  func rowStride(_ operand: Int) -> Int { strides.last?[operand] ?? 0 }

  /// The unit in which the work is cut: rows, or elements when there is one row only.
  var units: Int { rows == 1 ? columns : rows }
  var elementsPerUnit: Int { rows == 1 ? 1 : columns }

  /// A stretch of rows with a common stride, or a part of the only row.
  struct Block {
    let outputOffset: Int
    let offsets: (Int, Int, Int)
    let rows: Int
    let columns: Int
  }

  /// Calls `body` for blocks that cover `units`.
  @inline(__always)
  func forEachBlock(_ units: Range<Int>, _ body: (Block) -> Void) {
    let operands = steps.count
    if rows == 1 {
      let start = units.lowerBound
      body(
        Block(
          outputOffset: start,
          offsets: (
            start * steps[0], operands > 1 ? start * steps[1] : 0, operands > 2 ? start * steps[2] : 0
          ), rows: 1, columns: units.count))
      return
    }
    var row = units.lowerBound
    while row < units.upperBound {
      let count = min(rowsPerBlock - row % rowsPerBlock, units.upperBound - row)
      body(
        Block(
          outputOffset: row * columns,
          offsets: (
            offset(row, 0), operands > 1 ? offset(row, 1) : 0, operands > 2 ? offset(row, 2) : 0
          ), rows: count, columns: columns))
      row += count
    }
  }
}
