import Engine
import GraphIR
import Tensors
import Testing

@Suite struct MovementOperatorTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let op: OperatorName
    let inputs: [Tensor?]
    let attributes: Attributes
    let output: Tensor

    init(_ op: OperatorName, _ inputs: [Tensor?], _ output: Tensor, _ attributes: Attributes = [:]) {
      self.op = op
      self.inputs = inputs
      self.attributes = attributes
      self.output = output
    }

    var testDescription: String { "\(op) \(inputs.map { $0?.shape.description ?? "-" })" }
  }

  static let gathering: [Row] = [
    Row(
      "GatherElements", [counting([2, 3]), ints([2, 2], [2, 0, -1, 1])], floats([2, 2], [2, 0, 5, 4]),
      ["axis": .int(1)]),
    Row("GatherElements", [counting([2, 3]), ints([1, 3], [1, 0, 1])], floats([1, 3], [3, 1, 5])),
    Row("GatherND", [counting([2, 2, 2]), ints([2, 2], [0, 1, 1, -2])], floats([2, 2], [2, 3, 4, 5])),
    Row(
      "GatherND", [counting([2, 2, 2]), ints([2, 1], [1, 0])], floats([2, 2], [2, 3, 4, 5]),
      ["batch_dims": .int(1)]),
    Row(
      "ScatterElements",
      [floats([2, 3], [0, 0, 0, 0, 0, 0]), ints([1, 3], [1, 0, -1]), floats([1, 3], [7, 8, 9])],
      floats([2, 3], [0, 8, 0, 7, 0, 9])),
    Row(
      "ScatterElements", [floats([1, 3], [1, 1, 1]), ints([1, 2], [1, 1]), floats([1, 2], [2, 3])],
      floats([1, 3], [1, 6, 1]), ["axis": .int(1), "reduction": .string("mul")]),
    Row(
      "ScatterND", [floats([4], [1, 2, 3, 4]), ints([2, 1], [3, 0]), floats([2], [9, 8])],
      floats([4], [8, 2, 3, 9])),
    Row(
      "ScatterND", [floats([4], [1, 2, 3, 4]), ints([2, 1], [3, 3]), floats([2], [9, 8])],
      floats([4], [1, 2, 3, 21]),
      ["reduction": .string("add")]),
    Row(
      "OneHot", [ints(1, -1, 5), scalar(3), floats([2], [0, 1])],
      floats([3, 3], [0, 1, 0, 0, 0, 1, 0, 0, 0])),
    Row(
      "OneHot", [ints(1, 0), scalar(2), floats([2], [2, 5])], floats([2, 2], [2, 5, 5, 2]), ["axis": .int(0)]),
    Row(
      "Compress", [counting([2, 3]), bools(false, true, true)], floats([2, 2], [1, 2, 4, 5]),
      ["axis": .int(1)]),
    Row("Compress", [counting([2, 2]), bools(true, false, false, true)], floats([2], [0, 3])),
    Row("NonZero", [floats([2, 2], [0, 1, -0.0, 2])], ints([2, 2], [0, 1, 1, 1])),
    Row("NonZero", [floats([2], [0, 0])], ints([1, 0], [])),
  ]

  static let rearranging: [Row] = [
    Row("Tile", [floats([1, 2], [1, 2]), ints(2, 2)], floats([2, 4], [1, 2, 1, 2, 1, 2, 1, 2])),
    Row("Tile", [floats([2], [1, 2]), ints(0)], floats([0], [])),
    Row("Pad", [floats([3], [1, 2, 3]), ints(1, 2), floats([], [9])], floats([6], [9, 1, 2, 3, 9, 9])),
    Row("Pad", [floats([3], [1, 2, 3]), ints(-1, 1)], floats([3], [2, 3, 0])),
    Row(
      "Pad", [floats([3], [1, 2, 3]), ints(4, 3)], floats([10], [1, 2, 3, 2, 1, 2, 3, 2, 1, 2]),
      ["mode": .string("reflect")]),
    Row(
      "Pad", [floats([3], [1, 2, 3]), ints(2, 1)], floats([6], [1, 1, 1, 2, 3, 3]), ["mode": .string("edge")]),
    Row(
      "Pad", [floats([3], [1, 2, 3]), ints(2, 1)], floats([6], [2, 3, 1, 2, 3, 1]), ["mode": .string("wrap")]),
    Row(
      "Pad", [counting([2, 2]), ints(1, 1), nil, ints(0)], floats([4, 2], [0, 0, 0, 1, 2, 3, 0, 0])),
    Row("CenterCropPad", [floats([5], [1, 2, 3, 4, 5]), ints(2)], floats([2], [2, 3])),
    Row("CenterCropPad", [floats([2], [1, 2]), ints(5)], floats([5], [0, 1, 2, 0, 0])),
    Row("Trilu", [counting([3, 3])], floats([3, 3], [0, 1, 2, 0, 4, 5, 0, 0, 8])),
    Row("Trilu", [counting([2, 3]), scalar(-1)], floats([2, 3], [0, 0, 0, 3, 0, 0]), ["upper": .int(0)]),
    Row("Trilu", [counting([2, 3]), scalar(Int.max)], floats([2, 3], [0, 0, 0, 0, 0, 0])),
    Row(
      "ReverseSequence", [counting([3, 2]), ints(3, 2)], floats([3, 2], [4, 3, 2, 1, 0, 5])),
    Row(
      "DepthToSpace", [counting([1, 4, 1, 2])], floats([1, 1, 2, 4], [0, 2, 1, 3, 4, 6, 5, 7]),
      ["blocksize": .int(2)]),
    Row(
      "SpaceToDepth", [floats([1, 1, 2, 4], [0, 2, 1, 3, 4, 6, 5, 7])], counting([1, 4, 1, 2]),
      ["blocksize": .int(2)]),
    Row("Range", [scalar(10), scalar(3), scalar(-3)], ints(10, 7, 4)),
    Row("Range", [floats([], [0]), floats([], [1]), floats([], [0.5])], floats([2], [0, 0.5])),
    Row("EyeLike", [counting([2, 3])], floats([2, 3], [0, 1, 0, 0, 0, 1]), ["k": .int(1)]),
  ]

  @Test(arguments: gathering + rearranging, [1, 2]) func moves(_ row: Row, threads: Int) throws {
    let result = try OperatorRunner.run(row.op, row.inputs, row.attributes, threads: threads)
    #expect(result == [row.output])
  }

  /// Shapes that are known while planning and shapes that only the run tells go different ways.
  @Test(arguments: gathering + rearranging) func movesWithConstants(_ row: Row) throws {
    let result = try OperatorRunner.run(
      row.op, row.inputs, row.attributes, constants: Set(row.inputs.indices.dropFirst()))
    #expect(result == [row.output])
  }

  @Test(arguments: [
    Row("GatherElements", [counting([2]), ints(2)], counting([1])),
    Row("GatherND", [counting([2]), ints([1, 1], [-3])], counting([1])),
    Row("ScatterElements", [counting([2]), ints(5), floats([1], [0])], counting([2])),
    Row("ScatterND", [counting([2]), ints([1, 1], [Int.min]), floats([1], [0])], counting([2])),
    Row("ReverseSequence", [counting([2, 1]), ints(3)], counting([2, 1])),
    Row("Compress", [counting([2]), bools(false, false, true)], counting([2])),
  ])
  func indicesOutOfRangeAreErrors(_ row: Row) throws {
    #expect(throws: EngineError.self) { try OperatorRunner.run(row.op, row.inputs, row.attributes) }
  }

  @Test func uniqueElements() throws {
    let input = floats([6], [2, 1, 1, 3, 4, 3])
    let sorted = try OperatorRunner.run("Unique", [input], outputs: 4)
    #expect(
      sorted == [floats([4], [1, 2, 3, 4]), ints(1, 0, 3, 4), ints(1, 0, 0, 2, 3, 2), ints(2, 1, 2, 1)])
    let inOrder = try OperatorRunner.run("Unique", [input], outputs: 4, ["sorted": .int(0)])
    #expect(
      inOrder == [floats([4], [2, 1, 3, 4]), ints(0, 1, 3, 4), ints(0, 1, 1, 2, 3, 2), ints(1, 2, 2, 1)])
  }

  @Test func uniqueRows() throws {
    let rows = try OperatorRunner.run(
      "Unique", [floats([3, 2], [1, 0, 0, 5, 1, 0])], outputs: 2, ["axis": .int(0)])
    #expect(rows == [floats([2, 2], [0, 5, 1, 0]), ints(1, 0)])
  }
}
