import GraphIR
import Tensors

extension EngineTable {
  static let padOperators: [OperatorEntry] = [
    OperatorEntry("Pad", types: .byteSized, widensHalves: false, movesPacked: true) {
      PadOperator(attributes: try PadAttributes($0.node))
    },
    OperatorEntry("CenterCropPad", types: .byteSized, widensHalves: false) {
      CenterCropPadOperator(axes: try $0.node.ints("axes"))
    },
  ]
}

/// `Pad`; negative pads cut.
struct PadOperator: ShapedOperator {
  let attributes: PadAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let rank = input.shape.rank
    let axes = request.hasInput(3) ? try request.integers(3) : nil
    let pads = try attributes.resolve(pads: try request.integers(1), axes: axes, rank: rank)
    let sources = try (0..<rank).map { axis in
      try PadSource.positions(
        extent: input.shape[axis], begin: pads[axis], end: pads[axis + rank], mode: attributes.mode)
    }
    return try input.element.withBitsOfWidth(
      PadBuilder(request: request, sources: sources, valueInput: request.hasInput(2) ? 2 : nil))
  }
}

/// `CenterCropPad`: cuts or zero-pads both ends of each axis alike; an odd element is cut or added at the end.
struct CenterCropPadOperator: ShapedOperator {
  let axes: [Int]?

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    let output = try request.output().shape
    let sources = try (0..<input.shape.rank).map { axis in
      let growth = output[axis] - input.shape[axis]
      let begin = growth / 2
      return try PadSource.positions(
        extent: input.shape[axis], begin: begin, end: growth - begin, mode: .constant)
    }
    return try input.element.withBitsOfWidth(PadBuilder(request: request, sources: sources, valueInput: nil))
  }
}

/// Where along one axis each element of a padded tensor comes from.
private enum PadSource {
  /// Positions in the input; -1: the constant.
  static func positions(extent: Int, begin: Int, end: Int, mode: PadAttributes.Mode) throws -> [Int] {
    // What is cut goes first: reflections are at the edges of what is left.
    let first = max(0, -begin)
    let kept = extent - first - max(0, -end)
    let count = extent + begin + end
    if count > 0 && kept <= 0 && mode != .constant {
      throw OperatorFailure.invalid("an empty axis cannot be padded with its own elements")
    }
    return (0..<max(0, count)).map { position in
      let inside = position - max(0, begin)
      if inside >= 0 && inside < kept { return first + inside }
      switch mode {
      case .constant: return -1
      case .edge: return first + min(max(inside, 0), kept - 1)
      case .wrap: return first + modulo(inside, kept)
      case .reflect:
        let period = max(1, 2 * (kept - 1))
        let phase = modulo(inside, period)
        return first + min(phase, period - phase)
      }
    }
  }

  private static func modulo(_ value: Int, _ period: Int) -> Int {
    let remainder = value % period
    return remainder < 0 ? remainder + period : remainder
  }
}

private struct PadBuilder: BitsOfWidthVisitor {
  let request: PrepareRequest
  /// For each axis, where its elements come from.
  let sources: [[Int]]
  let valueInput: Int?

  func visit<Bits: BitwiseCopyable>(_: Bits.Type) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let strides = try request.input(0).shape.strides
    // A scalar is one row of one element.
    let columns = sources.last ?? [0]
    let rows = Array(sources.dropLast())
    let rowCount = output.elementCount / columns.count
    let zero = [UInt64](repeating: 0, count: 2)
    let run = Self.longestRun(columns)
    return Kernel("pad", units: rowCount, costPerUnit: columns.count, threads: request.threads) {
      operands, range in
      let source: UnsafePointer<Bits> = operands.input(0)
      let value =
        valueInput.map { operands.input($0, as: Bits.self)[0] }
        ?? zero.withUnsafeBytes { $0.loadUnaligned(as: Bits.self) }
      for row in range {
        let target = operands.output(0, as: Bits.self) + row * columns.count
        guard let offset = Self.offset(of: row, rows, strides) else {
          target.update(repeating: value, count: columns.count)
          continue
        }
        let start = source + offset
        for column in 0..<run.lowerBound {
          target[column] = columns[column] < 0 ? value : start[columns[column]]
        }
        if !run.isEmpty {
          (target + run.lowerBound).update(from: start + columns[run.lowerBound], count: run.count)
        }
        for column in run.upperBound..<columns.count {
          target[column] = columns[column] < 0 ? value : start[columns[column]]
        }
      }
    }
  }

  /// Where in the input the row begins; nil when it is all padding.
  private static func offset(of row: Int, _ sources: [[Int]], _ strides: [Int]) -> Int? {
    var rest = row
    var offset = 0
    for axis in stride(from: sources.count - 1, through: 0, by: -1) {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: sources[axis].count)
      let position = sources[axis][index]
      if position < 0 { return nil }
      offset += position * strides[axis]
      rest = quotient
    }
    return offset
  }

  /// The part that is copied as it is: ascending positions without a gap, found from the first that is no padding.
  private static func longestRun(_ columns: [Int]) -> Range<Int> {
    var best = 0..<0
    var start = 0
    for column in 0...columns.count {
      let continues =
        column > start && column < columns.count && columns[column] >= 0
        && columns[column] == columns[column - 1] + 1
      if continues { continue }
      if column > start && columns[start] >= 0 && column - start > best.count { best = start..<column }
      start = column
    }
    return best
  }
}
