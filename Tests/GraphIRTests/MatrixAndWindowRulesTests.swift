import GraphIR
import Testing

@Suite struct MatrixAndWindowRulesTests {
  static let matrices: [RuleCase] = [
    RuleCase("MatMul", ["f32[batch,4]", "f32[4,8]"], ["f32[batch,8]"]),
    RuleCase("MatMul", ["f32[b,h,s,64]", "f32[b,h,64,s]"], ["f32[b,h,s,s]"]),
    RuleCase("MatMul", ["f32[4]", "f32[4,8]"], ["f32[8]"]),
    RuleCase("MatMul", ["f32[3,4]", "f32[4]"], ["f32[3]"]),
    RuleCase("MatMul", ["f32[4]", "f32[4]"], ["f32[]"]),
    RuleCase("MatMul", ["f32[5,1,3,4]", "f32[2,4,6]"], ["f32[5,2,3,6]"]),
    RuleCase("MatMul", ["f32[3,4]", "f32[5,6]"], error: "4 and 5"),
    RuleCase("MatMul", ["f32[]", "f32[5,6]"], error: "scalar"),
    RuleCase("Gemm", ["f32[n,4]", "f32[8,4]", "f32[8]"], ["f32[n,8]"], ["transB": .int(1)]),
    RuleCase("Gemm", ["f32[4,2]", "f32[4,8]", ""], ["f32[2,8]"], ["transA": .int(1)]),
    RuleCase("Gemm", ["f32[2,4]", "f32[4,8]", "f32[2,1]"], ["f32[2,8]"]),
    RuleCase("Gemm", ["f32[2,4]", "f32[4,8]", "f32[7]"], error: "does not broadcast"),
    RuleCase("Gemm", ["f32[2,4]", "f32[5,8]"], error: "inner extents"),
    RuleCase("Gemm", ["f32[2,4,1]", "f32[4,8]"], error: "rank 3"),
    RuleCase("Einsum", ["f32[2,3]", "f32[3,4]"], ["f32[2,4]"], ["equation": .string("ij,jk->ik")]),
    RuleCase("Einsum", ["f32[b,3,4]"], ["f32[b,4,3]"], ["equation": .string("...ij -> ...ji")]),
    RuleCase("Einsum", ["f32[3,3]"], ["f32[]"], ["equation": .string("ii")]),
    RuleCase("Einsum", ["f32[2,3]", "f32[3,4]"], ["f32[2,4]"], ["equation": .string("ij,jk")]),
    RuleCase(
      "Einsum", ["f32[2,3]", "f32[4,4]"], [], ["equation": .string("ij,jk")], error: "'j' stands for 3 and 4"),
    RuleCase("Einsum", ["f32[2,3]"], [], ["equation": .string("ij->k")], error: "'k'"),
    RuleCase("Einsum", ["f32[2]"], [], ["equation": .string("ij->i")], error: "rank 1"),
    RuleCase("MatMulInteger", ["u8[n,4]", "i8[4,8]", "u8[]", "i8[8]"], ["i32[n,8]"]),
    RuleCase("MatMulInteger", ["f32[n,4]", "i8[4,8]"], error: "input 0 is float32"),
    RuleCase(
      "QLinearMatMul", ["u8[2,4]", "f32[]", "u8[]", "u8[4,3]", "f32[]", "u8[]", "f32[]", "i8[]"], ["i8[2,3]"]),
  ]

  static let windows: [RuleCase] = [
    RuleCase(
      "Conv", ["f32[n,3,224,224]", "f32[64,3,7,7]", "f32[64]"], ["f32[n,64,112,112]"],
      ["strides": .ints([2, 2]), "pads": .ints([3, 3, 3, 3]), "kernel_shape": .ints([7, 7])]),
    RuleCase(
      "Conv", ["f32[1,4,h,w]", "f32[8,1,3,3]"], ["f32[1,8,h,w]"],
      ["group": .int(4), "pads": .ints([1, 1, 1, 1])]),
    RuleCase("Conv", ["f32[1,1,h,9]", "f32[1,1,3,3]"], ["f32[1,1,?,7]"]),
    RuleCase(
      "Conv", ["f32[1,1,5,5]", "f32[1,1,3,3]"], ["f32[1,1,3,3]"],
      ["auto_pad": .string("SAME_LOWER"), "strides": .ints([2, 2])]),
    RuleCase("Conv", ["f32[1,1,10]", "f32[1,1,3]"], ["f32[1,1,6]"], ["dilations": .ints([2])]),
    RuleCase("Conv", ["f32[1,3,8,8]", "f32[4,2,3,3]"], error: "3 input channels"),
    RuleCase("Conv", ["f32[1,3,2,2]", "f32[4,3,3,3]"], error: "does not fit into the padded extent 2"),
    RuleCase(
      "Conv", ["f32[1,3,8,8]", "f32[4,3,3,3]"], [], ["strides": .ints([0, 1])], error: "out of range"),
    RuleCase(
      "Conv", ["f32[1,3,8,8]", "f32[4,3,3,3]"], [], ["pads": .ints([1, 1])], error: "2 values, not 4"),
    RuleCase(
      "Conv", ["f32[1,3,8,8]", "f32[4,3,3,3]"], [], ["pads": .ints([Int.max, 0, 1, 0])], error: "out of range"
    ),
    RuleCase("Conv", ["f32[1,3,8,8]", "f32[4,3,3,3]"], [], ["group": .int(0)], error: "'group' is 0"),
    RuleCase("Conv", ["f32[1,4]", "f32[4,4]"], error: "rank 2"),
    RuleCase("ConvInteger", ["u8[1,1,3,3]", "u8[1,1,2,2]", "u8[]"], ["i32[1,1,2,2]"]),
    RuleCase(
      "QLinearConv", ["u8[1,1,7,7]", "f32[]", "u8[]", "i8[1,1,1,1]", "f32[1]", "i8[1]", "f32[]", "u8[]"],
      ["u8[1,1,7,7]"]),
    RuleCase("ConvTranspose", ["f32[1,1,3,3]", "f32[1,2,3,3]"], ["f32[1,2,5,5]"]),
    RuleCase(
      "ConvTranspose", ["f32[1,1,3,3]", "f32[1,2,3,3]"], ["f32[1,2,7,3]"],
      ["strides": .ints([3, 2]), "pads": .ints([1, 2, 1, 2])]),
    RuleCase(
      "ConvTranspose", ["f32[1,1,3,3]", "f32[1,2,3,3]"], ["f32[1,2,10,8]"],
      ["strides": .ints([3, 2]), "output_shape": .ints([10, 8])]),
    RuleCase(
      "ConvTranspose", ["f32[1,1,3,3]", "f32[1,2,3,3]"], ["f32[1,2,6,6]"],
      ["strides": .ints([2, 2]), "auto_pad": .string("SAME_UPPER")]),
    RuleCase("MaxPool", ["f32[n,3,32,32]"], ["f32[n,3,31,31]"], ["kernel_shape": .ints([2, 2])]),
    RuleCase(
      "MaxPool", ["f32[n,3,32,32]"], ["f32[n,3,31,31]", "i64[n,3,31,31]"], ["kernel_shape": .ints([2, 2])]),
    RuleCase(
      "MaxPool", ["f32[1,1,4,4]"], ["f32[1,1,2,2]"],
      ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "ceil_mode": .int(1)]),
    // The second window would begin in the padding at the end.
    RuleCase(
      "AveragePool", ["f32[1,1,2,2]"], ["f32[1,1,1,1]"],
      [
        "kernel_shape": .ints([3, 3]), "strides": .ints([3, 3]), "pads": .ints([1, 1, 1, 1]),
        "ceil_mode": .int(1),
      ]),
    RuleCase("MaxPool", ["f32[1,1,4,4]"], error: "'kernel_shape' is required"),
    RuleCase("MaxPool", ["f32[1,1,4]"], [], ["kernel_shape": .ints([2, 2])], error: "rank 3"),
    RuleCase("GlobalAveragePool", ["f32[n,512,h,w]"], ["f32[n,512,1,1]"]),
  ]

  @Test(arguments: matrices + windows) func types(_ row: RuleCase) throws { try row.run() }

  @Test func samePaddingPutsTheOddElementWhereItIsAskedTo() throws {
    func pads(_ mode: String) throws -> [Int] {
      let node = Node(
        op: "MaxPool", inputs: [], outputs: [],
        attributes: ["kernel_shape": .ints([2]), "auto_pad": .string(mode)])
      return try SlidingWindow(node).pads(input: [5])
    }
    #expect(try pads("SAME_UPPER") == [0, 1])
    #expect(try pads("SAME_LOWER") == [1, 0])
    #expect(try pads("VALID") == [0, 0])
  }
}
