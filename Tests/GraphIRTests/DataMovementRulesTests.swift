import GraphIR
import Testing

@Suite struct DataMovementRulesTests {
  static let shapes: [RuleCase] = [
    RuleCase("Identity", ["i4[2]"], ["i4[2]"]),
    RuleCase("Reshape", ["f32[batch,64]", "i64[4]"], ["f32[batch,1,8,8]"], ints: [1: [-1, 1, 8, 8]]),
    RuleCase("Reshape", ["f32[b,s,768]", "i64[4]"], ["f32[b,s,12,64]"], ints: [1: [0, 0, 12, 64]]),
    RuleCase("Reshape", ["f32[b,s,768]", "i64[3]"], ["f32[b,?,64]"], ints: [1: [0, -1, 64]]),
    RuleCase("Reshape", ["f32[2,3,4]", "i64[2]"], ["f32[6,4]"], ints: [1: [-1, 4]]),
    RuleCase("Reshape", ["f32[2,3]", "i64[3]"], ["f32[?,?,?]"]),
    RuleCase("Reshape", ["f32[2,3]", "i64[r]"], ["f32"]),
    RuleCase("Reshape", ["f32[0,3]", "i64[2]"], ["f32[0,5]"], ["allowzero": .int(1)], ints: [1: [0, 5]]),
    RuleCase("Reshape", ["f32[2,3]", "i64[1]"], ["f32[6]"], ints: [1: [-1]]),
    RuleCase("Reshape", ["f32[2,3]", "i64[2]"], ints: [1: [-1, 4]], error: "cannot be reshaped"),
    RuleCase("Reshape", ["f32[2,3]", "i64[2]"], ints: [1: [-1, -1]], error: "-1 twice"),
    RuleCase("Reshape", ["f32[2,3]", "i64[1]"], ints: [1: [7]], error: "cannot be reshaped"),
    RuleCase("Reshape", ["f32[2,3]", "i64[3]"], ints: [1: [2, 3, 0]], error: "copies axis 2"),
    RuleCase("Reshape", ["f32[2,3]", "i64[1]"], ints: [1: [-5]], error: "holds -5"),
    RuleCase("Flatten", ["f32[b,3,4]"], ["f32[b,12]"]),
    RuleCase("Flatten", ["f32[b,3,4]"], ["f32[1,?]"], ["axis": .int(0)]),
    RuleCase("Flatten", ["f32[2,3,4]"], ["f32[6,4]"], ["axis": .int(-1)]),
    RuleCase("Flatten", ["f32[2,3,4]"], [], ["axis": .int(4)], error: "axis 4"),
    RuleCase("Squeeze", ["f32[1,b,1]", "i64[2]"], ["f32[b]"], ints: [1: [0, -1]]),
    RuleCase("Squeeze", ["f32[1,3,1]"], ["f32[3]"]),
    RuleCase("Squeeze", ["f32[1,b]"], ["f32"]),
    RuleCase("Squeeze", ["f32[1,3]", "i64[1]"], ints: [1: [1]], error: "3 elements"),
    RuleCase("Unsqueeze", ["f32[b]", "i64[2]"], ["f32[1,b,1]"], ints: [1: [0, -1]]),
    RuleCase("Unsqueeze", ["f32[b]", "i64[2]"], ints: [1: [0, 0]], error: "named twice"),
    RuleCase("Unsqueeze", ["f32[b]", "i64[9]"], ints: [1: Array(0..<257)], error: "257 axes"),
    RuleCase(
      "Reshape", ["f32[1]", "i64[9]"], ints: [1: Array(repeating: 1, count: 257)], error: "257 extents"),
    RuleCase("Transpose", ["f32[b,s,12,64]"], ["f32[b,12,s,64]"], ["perm": .ints([0, 2, 1, 3])]),
    RuleCase("Transpose", ["f32[2,b]"], ["f32[b,2]"]),
    RuleCase("Transpose", ["f32[2,b]"], [], ["perm": .ints([0, 0])], error: "no permutation"),
    RuleCase("Shape", ["f32[b,3]"], ["i64[2]"]),
    RuleCase("Shape", ["f32[b,3,4]"], ["i64[1]"], ["start": .int(-2), "end": .int(-1)]),
    RuleCase("Size", ["f32[b,3]"], ["i64[]"]),
  ]

  static let joining: [RuleCase] = [
    RuleCase("Concat", ["f32[b,3]", "f32[b,4]"], ["f32[b,7]"], ["axis": .int(-1)]),
    RuleCase("Concat", ["f32[n,3]", "f32[m,3]"], ["f32[?,3]"], ["axis": .int(0)]),
    RuleCase("Concat", ["f32[2,3]", "f32[2,4]"], [], ["axis": .int(0)], error: "axis 1 differ: 3 and 4"),
    RuleCase("Concat", ["f32[2,3]", "f32[2]"], [], ["axis": .int(0)], error: "rank 2 and 1"),
    RuleCase("Concat", ["f32[2]", "f32[2]"], error: "'axis' is required"),
    RuleCase("Concat", ["f32[9223372036854775807]", "f32[2]"], [], ["axis": .int(0)], error: "overflow"),
    RuleCase(
      "Split", ["f32[b,9]"], ["f32[b,3]", "f32[b,3]", "f32[b,3]"], ["axis": .int(1), "num_outputs": .int(3)]),
    RuleCase("Split", ["f32[7]"], ["f32[4]", "f32[3]"], ["num_outputs": .int(2)]),
    RuleCase("Split", ["f32[7,2]", "i64[2]"], ["f32[5,2]", "f32[2,2]"], ints: [1: [5, 2]]),
    RuleCase("Split", ["f32[7,2]", "i64[1]"], ints: [1: [5]], error: "do not fill"),
    RuleCase("Expand", ["f32[3,1]", "i64[3]"], ["f32[2,3,6]"], ints: [1: [2, 1, 6]]),
    RuleCase("Expand", ["f32[b,1]", "i64[2]"], ["f32[?,?]"]),
    RuleCase("Expand", ["f32[3]", "i64[1]"], ints: [1: [2]], error: "do not broadcast"),
    RuleCase("Expand", ["f32[1]", "i64[2]"], ints: [1: [Int.max, 8]], error: "too many elements"),
    RuleCase("Tile", ["f32[b,3]", "i64[2]"], ["f32[b,6]"], ints: [1: [1, 2]]),
    RuleCase("Tile", ["f32[2]", "i64[1]"], ints: [1: [Int.max]], error: "overflow"),
    RuleCase("Tile", ["f32[2]", "i64[1]"], ints: [1: [-1]], error: "negative"),
    RuleCase("Pad", ["f32[b,3,h]", "i64[6]"], ["f32[b,6,?]"], ints: [1: [0, 1, 0, 0, 2, 1]]),
    RuleCase("Pad", ["f32[4,4]", "i64[2]", "", "i64[1]"], ["f32[4,7]"], ints: [1: [1, 2], 3: [-1]]),
    RuleCase("Pad", ["f32[4]", "i64[2]"], ints: [1: [-3, -3]], error: "extent -2"),
    RuleCase(
      "Pad", ["f32[4]", "i64[2]"], [], ["mode": .string("mirror")], ints: [1: [1, 1]], error: "not one of"),
    RuleCase("DepthToSpace", ["f32[b,8,2,3]"], ["f32[b,2,4,6]"], ["blocksize": .int(2)]),
    RuleCase("DepthToSpace", ["f32[b,6,2,3]"], [], ["blocksize": .int(2)], error: "no multiple"),
    RuleCase("SpaceToDepth", ["f32[b,2,4,6]"], ["f32[b,8,2,3]"], ["blocksize": .int(2)]),
    RuleCase("Trilu", ["f32[b,4,4]"], ["f32[b,4,4]"]),
    RuleCase(
      "Slice", ["f32[b,10]", "i64[1]", "i64[1]", "i64[1]"], ["f32[b,4]"], ints: [1: [1], 2: [5], 3: [1]]),
    RuleCase(
      "Slice", ["f32[10,b]", "i64[1]", "i64[1]", "i64[1]", "i64[1]"], ["f32[3,b]"],
      ints: [1: [-1], 2: [-10], 3: [0], 4: [-3]]),
    RuleCase("Slice", ["f32[b]", "i64[1]", "i64[1]"], ["f32[b]"], ints: [1: [0], 2: [Int.max]]),
    RuleCase("Slice", ["f32[b,4]", "i64[1]", "i64[1]"], ["f32[?,?]"]),
    RuleCase(
      "Slice", ["f32[4]", "i64[1]", "i64[1]", "i64[1]", "i64[1]"],
      ints: [1: [0], 2: [4], 3: [0], 4: [0]], error: "step of 0"),
    RuleCase(
      "Slice", ["f32[4]", "i64[1]", "i64[2]"], ints: [1: [0], 2: [4, 5]], error: "differ in length"),
    RuleCase("ReverseSequence", ["f32[4,b,2]", "i64[b]"], ["f32[4,b,2]"]),
    RuleCase(
      "CenterCropPad", ["f32[20,8,3]", "i64[2]"], ["f32[10,9,3]"], ["axes": .ints([0, 1])],
      ints: [1: [10, 9]]),
  ]

  static let gathering: [RuleCase] = [
    RuleCase("Gather", ["f32[30522,768]", "i64[b,s]"], ["f32[b,s,768]"]),
    RuleCase("Gather", ["f32[b,s,768]", "i64[]"], ["f32[b,768]"], ["axis": .int(1)]),
    RuleCase("Gather", ["f32[4]", "f32[2]"], error: "input 1 is float32"),
    RuleCase("Gather", ["f32[4]", "i64[2]"], [], ["axis": .int(-2)], error: "axis -2"),
    RuleCase("GatherElements", ["f32[3,4]", "i64[3,2]"], ["f32[3,2]"], ["axis": .int(1)]),
    RuleCase(
      "GatherElements", ["f32[3,4]", "i64[4,2]"], [], ["axis": .int(1)], error: "4 elements on axis 0"),
    RuleCase("GatherND", ["f32[2,3,4]", "i64[5,2]"], ["f32[5,4]"]),
    RuleCase("GatherND", ["f32[b,3,4]", "i64[b,1]"], ["f32[b,4]"], ["batch_dims": .int(1)]),
    RuleCase("GatherND", ["f32[2,3]", "i64[5,3]"], error: "3 numbers into 2 axes"),
    RuleCase("ScatterElements", ["f32[3,3]", "i64[2,3]", "f32[2,3]"], ["f32[3,3]"]),
    RuleCase("ScatterElements", ["f32[3,3]", "i64[2,3]", "f32[1,3]"], error: "2 and 1"),
    RuleCase(
      "ScatterND", ["f32[4,4,4]", "i64[2,1]", "f32[2,4,4]"], ["f32[4,4,4]"], ["reduction": .string("add")]),
    RuleCase("ScatterND", ["f32[4,4,4]", "i64[2,1]", "f32[2,4]"], error: "[2,4,4] is needed"),
    RuleCase("OneHot", ["i64[b]", "i64[]", "f32[2]"], ["f32[b,10]"], scalars: [1: 10]),
    RuleCase("OneHot", ["i64[b,3]", "i64[]", "f32[2]"], ["f32[?,b,3]"], ["axis": .int(0)]),
    RuleCase("OneHot", ["i64[b]", "i64[]", "f32[2]"], scalars: [1: -3], error: "extent -3"),
    RuleCase("NonZero", ["f32[b,3]"], ["i64[2,?]"]),
    RuleCase("Compress", ["f32[2,3]", "bool[3]"], ["f32[2,?]"], ["axis": .int(1)]),
    RuleCase("Unique", ["f32[2,3]"], ["f32[?]", "i64[?]", "i64[6]", "i64[?]"]),
    RuleCase("Resize", ["f32[n,3,4,5]", "", "f32[4]"], ["f32[n,3,8,7]"], floats: [2: [1, 1, 2, 1.5]]),
    RuleCase(
      "Resize", ["f32[n,3,4,5]", "", "", "i64[2]"], ["f32[n,3,9,9]"], ["axes": .ints([2, 3])],
      ints: [3: [9, 9]]),
    RuleCase(
      "Resize", ["f32[1,1,4,8]", "", "", "i64[2]"], ["f32[1,1,5,9]"],
      ["axes": .ints([2, 3]), "keep_aspect_ratio_policy": .string("not_larger")], ints: [3: [6, 9]]),
    RuleCase("Resize", ["f32[n,3,4,5]"], error: "either scales or sizes"),
    RuleCase("Resize", ["f32[4]", "", "f32[1]"], floats: [2: [1e30]], error: "too large"),
  ]

  static let generators: [RuleCase] = [
    RuleCase("Constant", [], ["i64[2]"], ["value_ints": .ints([1, 2])]),
    RuleCase("Constant", [], error: "exactly one value"),
    RuleCase("ConstantOfShape", ["i64[2]"], ["f32[2,3]"], ints: [0: [2, 3]]),
    RuleCase("ConstantOfShape", ["i64[2]"], ["f32[?,?]"]),
    RuleCase("ConstantOfShape", ["i64[1]"], ints: [0: [-1]], error: "extent -1"),
    RuleCase("Range", ["i64[]", "i64[]", "i64[]"], ["i64[4]"], scalars: [0: 10, 1: 3, 2: -2]),
    RuleCase("Range", ["i64[]", "i64[]", "i64[]"], ["i64[?]"]),
    RuleCase("Range", ["i64[]", "i64[]", "i64[]"], scalars: [0: 0, 1: 3, 2: 0], error: "not 0"),
    RuleCase(
      "Range", ["i64[]", "i64[]", "i64[]"], scalars: [0: Int.min, 1: Int.max, 2: 1],
      error: "too many elements"),
    RuleCase("EyeLike", ["i32[3,b]"], ["f32[3,b]"], ["dtype": .int(1)]),
    RuleCase("Cast", ["f32[b]"], ["i64[b]"], ["to": .int(7)]),
    RuleCase("Cast", ["f32[b]"], [], ["to": .int(99)], error: "no element type"),
    RuleCase("Cast", ["f32[b]"], error: "'to' is required"),
    RuleCase("CastLike", ["f32[b]", "i8[3]"], ["i8[b]"]),
    RuleCase("Dropout", ["f32[b,3]"], ["f32[b,3]", "bool[b,3]"]),
    RuleCase("RandomNormal", [], ["f32[2,3]"], ["shape": .ints([2, 3])]),
    RuleCase("RandomNormal", [], [], ["shape": .ints([-2])], error: "extent -2"),
    RuleCase("QuantizeLinear", ["f32[b,3]", "f32[]", "i8[]"], ["i8[b,3]"]),
    RuleCase("QuantizeLinear", ["f32[b,3]", "f32[3]"], ["u8[b,3]"]),
    RuleCase("QuantizeLinear", ["f32[b,3]", "f32[4]"], error: "3 and 4"),
    RuleCase(
      "QuantizeLinear", ["f32[4,6]", "f32[4,2]"], ["i4[4,6]"],
      ["block_size": .int(3), "output_dtype": .int(22)]),
    RuleCase(
      "QuantizeLinear", ["f32[4,6]", "f32[4,3]"], [], ["block_size": .int(3)], error: "3 scales for 2 blocks"),
    RuleCase("DequantizeLinear", ["i8[b,3]", "f16[3]", "i8[3]"], ["f16[b,3]"]),
    RuleCase("DequantizeLinear", ["i8[b,3]", "f32[3]", "u8[3]"], error: "input 2 is uint8"),
    RuleCase("DynamicQuantizeLinear", ["f32[b,3]"], ["u8[b,3]", "f32[]", "u8[]"]),
  ]

  @Test(arguments: shapes + joining + gathering + generators)
  func types(_ row: RuleCase) throws { try row.run() }

  @Test(arguments: [
    (0, 4, 1, 10, 0, 4), (-3, Int.max, 1, 10, 7, 3), (Int.max, Int.min, -1, 10, 9, 10), (5, 2, 1, 10, 0, 0),
    (0, 10, Int.max, 10, 0, 1), (9, 0, Int.min, 10, 9, 1), (0, 10, 3, 10, 0, 4), (0, 5, 1, 0, 0, 0),
    (-1, -20, -4, 10, 9, 3),
  ])
  func sliceBounds(start: Int, end: Int, step: Int, extent: Int, first: Int, count: Int) {
    let part = SliceBounds(start: start, end: end, step: step).resolve(extent: extent)
    #expect(part.count == count)
    if count > 0 { #expect(part.first == first) }
  }
}
