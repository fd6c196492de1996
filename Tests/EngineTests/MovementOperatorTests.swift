import Engine
import GraphIR
import Tensors
import Testing

@Suite struct MovementOperatorTests {
  static let gathering: [OperatorCase] = [
    OperatorCase(
      "GatherElements", [counting([2, 3]), ints([2, 2], [2, 0, -1, 1])], floats([2, 2], [2, 0, 5, 4]),
      ["axis": .int(1)]),
    OperatorCase(
      "GatherElements", [counting([2, 3]), ints([1, 3], [1, 0, 1])], floats([1, 3], [3, 1, 5])),
    OperatorCase(
      "GatherND", [counting([2, 2, 2]), ints([2, 2], [0, 1, 1, -2])], floats([2, 2], [2, 3, 4, 5])),
    OperatorCase(
      "GatherND", [counting([2, 2, 2]), ints([2, 1], [1, 0])], floats([2, 2], [2, 3, 4, 5]),
      ["batch_dims": .int(1)]),
    OperatorCase(
      "ScatterElements",
      [floats([2, 3], [0, 0, 0, 0, 0, 0]), ints([1, 3], [1, 0, -1]), floats([1, 3], [7, 8, 9])],
      floats([2, 3], [0, 8, 0, 7, 0, 9])),
    OperatorCase(
      "ScatterElements", [floats([1, 3], [1, 1, 1]), ints([1, 2], [1, 1]), floats([1, 2], [2, 3])],
      floats([1, 3], [1, 6, 1]), ["axis": .int(1), "reduction": .string("mul")]),
    OperatorCase(
      "ScatterND", [floats([4], [1, 2, 3, 4]), ints([2, 1], [3, 0]), floats([2], [9, 8])],
      floats([4], [8, 2, 3, 9])),
    OperatorCase(
      "ScatterND", [floats([4], [1, 2, 3, 4]), ints([2, 1], [3, 3]), floats([2], [9, 8])],
      floats([4], [1, 2, 3, 21]),
      ["reduction": .string("add")]),
    OperatorCase(
      "OneHot", [ints(1, -1, 5), scalar(3), floats([2], [0, 1])],
      floats([3, 3], [0, 1, 0, 0, 0, 1, 0, 0, 0])),
    OperatorCase(
      "OneHot", [ints(1, 0), scalar(2), floats([2], [2, 5])], floats([2, 2], [2, 5, 5, 2]), ["axis": .int(0)]),
    OperatorCase(
      "Compress", [counting([2, 3]), bools(false, true, true)], floats([2, 2], [1, 2, 4, 5]),
      ["axis": .int(1)]),
    OperatorCase("Compress", [counting([2, 2]), bools(true, false, false, true)], floats([2], [0, 3])),
    OperatorCase("NonZero", [floats([2, 2], [0, 1, -0.0, 2])], ints([2, 2], [0, 1, 1, 1])),
    OperatorCase("NonZero", [floats([2], [0, 0])], ints([1, 0], [])),
  ]

  static let rearranging: [OperatorCase] = [
    OperatorCase("Tile", [floats([1, 2], [1, 2]), ints(2, 2)], floats([2, 4], [1, 2, 1, 2, 1, 2, 1, 2])),
    OperatorCase("Tile", [floats([2], [1, 2]), ints(0)], floats([0], [])),
    OperatorCase(
      "Pad", [floats([3], [1, 2, 3]), ints(1, 2), floats([], [9])], floats([6], [9, 1, 2, 3, 9, 9])),
    OperatorCase("Pad", [floats([3], [1, 2, 3]), ints(-1, 1)], floats([3], [2, 3, 0])),
    OperatorCase(
      "Pad", [floats([3], [1, 2, 3]), ints(4, 3)], floats([10], [1, 2, 3, 2, 1, 2, 3, 2, 1, 2]),
      ["mode": .string("reflect")]),
    OperatorCase(
      "Pad", [floats([3], [1, 2, 3]), ints(2, 1)], floats([6], [1, 1, 1, 2, 3, 3]), ["mode": .string("edge")]),
    OperatorCase(
      "Pad", [floats([3], [1, 2, 3]), ints(2, 1)], floats([6], [2, 3, 1, 2, 3, 1]), ["mode": .string("wrap")]),
    OperatorCase(
      "Pad", [counting([2, 2]), ints(1, 1), nil, ints(0)], floats([4, 2], [0, 0, 0, 1, 2, 3, 0, 0])),
    OperatorCase("CenterCropPad", [floats([5], [1, 2, 3, 4, 5]), ints(2)], floats([2], [2, 3])),
    OperatorCase("CenterCropPad", [floats([2], [1, 2]), ints(5)], floats([5], [0, 1, 2, 0, 0])),
    OperatorCase("Trilu", [counting([3, 3])], floats([3, 3], [0, 1, 2, 0, 4, 5, 0, 0, 8])),
    OperatorCase(
      "Trilu", [counting([2, 3]), scalar(-1)], floats([2, 3], [0, 0, 0, 3, 0, 0]), ["upper": .int(0)]),
    OperatorCase("Trilu", [counting([2, 3]), scalar(Int.max)], floats([2, 3], [0, 0, 0, 0, 0, 0])),
    OperatorCase(
      "ReverseSequence", [counting([3, 2]), ints(3, 2)], floats([3, 2], [4, 3, 2, 1, 0, 5])),
    OperatorCase(
      "DepthToSpace", [counting([1, 4, 1, 2])], floats([1, 1, 2, 4], [0, 2, 1, 3, 4, 6, 5, 7]),
      ["blocksize": .int(2)]),
    OperatorCase(
      "SpaceToDepth", [floats([1, 1, 2, 4], [0, 2, 1, 3, 4, 6, 5, 7])], counting([1, 4, 1, 2]),
      ["blocksize": .int(2)]),
    OperatorCase("Range", [scalar(10), scalar(3), scalar(-3)], ints(10, 7, 4)),
    OperatorCase("Range", [floats([], [0]), floats([], [1]), floats([], [0.5])], floats([2], [0, 0.5])),
    OperatorCase("EyeLike", [counting([2, 3])], floats([2, 3], [0, 1, 0, 0, 0, 1]), ["k": .int(1)]),
  ]

  @Test(arguments: gathering + rearranging, [1, 2]) func moves(_ row: OperatorCase, threads: Int) throws {
    let result = try OperatorRunner.run(row.op, row.inputs, row.attributes, threads: threads)
    #expect(result == [row.expected])
  }

  /// Shapes that are known while planning and shapes that only the run tells go different ways.
  @Test(arguments: gathering + rearranging) func movesWithConstants(_ row: OperatorCase) throws {
    let result = try OperatorRunner.run(
      row.op, row.inputs, row.attributes, constants: Set(row.inputs.indices.dropFirst()))
    #expect(result == [row.expected])
  }

  @Test(arguments: [
    OperatorCase("GatherElements", [counting([2]), ints(2)], counting([1])),
    OperatorCase("GatherND", [counting([2]), ints([1, 1], [-3])], counting([1])),
    OperatorCase("ScatterElements", [counting([2]), ints(5), floats([1], [0])], counting([2])),
    OperatorCase("ScatterND", [counting([2]), ints([1, 1], [Int.min]), floats([1], [0])], counting([2])),
    OperatorCase("ReverseSequence", [counting([2, 1]), ints(3)], counting([2, 1])),
    OperatorCase("Compress", [counting([2]), bools(false, false, true)], counting([2])),
  ])
  func indicesOutOfRangeAreErrors(_ row: OperatorCase) throws {
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
