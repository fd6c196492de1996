import GraphIR
import Tensors
import Testing

@Suite struct NormalizationAndReductionRulesTests {
  static let normalizations: [RuleCase] = [
    RuleCase(
      "BatchNormalization", ["f32[n,8,h,w]", "f32[8]", "f32[8]", "f32[8]", "f32[8]"], ["f32[n,8,h,w]"]),
    RuleCase(
      "BatchNormalization", ["f32[n,8,h,w]", "f32[8]", "f32[8]", "f32[8]", "f32[8]"],
      ["f32[n,8,h,w]", "f32[8]", "f32[8]"], ["training_mode": .int(1)]),
    RuleCase(
      "BatchNormalization", ["f32[n,8,h,w]", "f32[8]", "f32[7]", "f32[8]", "f32[8]"], error: "8 and 7"),
    RuleCase("InstanceNormalization", ["f32[n,8,h,w]", "f32[8]", "f32[8]"], ["f32[n,8,h,w]"]),
    RuleCase(
      "GroupNormalization", ["f32[n,8,h]", "f32[8]", "f32[8]"], ["f32[n,8,h]"], ["num_groups": .int(2)]),
    RuleCase(
      "GroupNormalization", ["f32[n,8,h]", "f32[8]", "f32[8]"], [], ["num_groups": .int(3)], error: "3 groups"
    ),
    RuleCase(
      "LayerNormalization", ["f32[b,s,768]", "f32[768]", "f32[768]"], ["f32[b,s,768]", "f32[b,s,1]"]),
    RuleCase(
      "LayerNormalization", ["f16[b,s,768]", "f16[s,768]"], ["f16[b,s,768]", "f32[b,1,1]"], ["axis": .int(1)]),
    RuleCase("LayerNormalization", ["f32[b,s,768]", "f32[512]"], error: "does not broadcast"),
    RuleCase("LayerNormalization", ["f32[b,s,768]", "f32[768]"], [], ["axis": .int(3)], error: "axis 3"),
    RuleCase("RMSNormalization", ["f32[b,768]", "f32[768]"], ["f32[b,768]"]),
    RuleCase("LRN", ["f32[n,8,h,w]"], ["f32[n,8,h,w]"], ["size": .int(5)]),
    RuleCase("LRN", ["f32[n,8,h,w]"], error: "'size' is required"),
    RuleCase("Softmax", ["f32[n,10]"], ["f32[n,10]"]),
    RuleCase("Softmax", ["f32[n,10]"], [], ["axis": .int(2)], error: "axis 2 is out of range"),
    RuleCase("Softmax", ["i32[n,10]"], error: "input 0 is int32"),
  ]

  static let reductions: [RuleCase] = [
    RuleCase("ReduceSum", ["f32[n,3,4]", "i64[1]"], ["f32[n,3,1]"], ints: [1: [-1]]),
    RuleCase("ReduceSum", ["f32[n,3,4]", "i64[1]"], ["f32[n,3]"], ["keepdims": .int(0)], ints: [1: [2]]),
    RuleCase("ReduceMean", ["f32[n,3]"], ["f32[1,1]"]),
    RuleCase("ReduceMean", ["f32[n,3]"], ["f32[]"], ["keepdims": .int(0)]),
    RuleCase("ReduceMean", ["f32[n,3]"], ["f32[n,3]"], ["noop_with_empty_axes": .int(1)]),
    RuleCase("ReduceMax", ["f32[n,3,4]", "i64[2]"], ["f32[?,?,?]"]),
    RuleCase("ReduceMax", ["f32[n,3,4]", "i64[2]"], ["f32[?]"], ["keepdims": .int(0)]),
    RuleCase("ReduceMax", ["f32[n,3,4]", "i64[k]"], ["f32"], ["keepdims": .int(0)]),
    RuleCase("ReduceSum", ["f32[n,3]", "i64[1]"], ints: [1: [2]], error: "axis 2"),
    RuleCase("ReduceSum", ["f32[n,3]", "i64[1]"], ints: [1: [Int.min]], error: "axis -9223372036854775808"),
    RuleCase("ReduceMax", ["bool[n,3]"], ["bool[1,1]"]),
    RuleCase("ArgMax", ["f32[n,10]"], ["i64[n]"], ["axis": .int(-1), "keepdims": .int(0)]),
    RuleCase("ArgMax", ["f32[n,10]"], ["i64[1,10]"]),
    RuleCase("ArgMax", ["f32[n,0]"], [], ["axis": .int(1)], error: "is empty"),
    RuleCase("TopK", ["f32[n,10]", "i64[1]"], ["f32[n,3]", "i64[n,3]"], ints: [1: [3]]),
    RuleCase("TopK", ["f32[n,10]", "i64[1]"], ["f32[n,?]", "i64[n,?]"]),
    RuleCase("CumSum", ["f32[n,10]", "i64[]"], ["f32[n,10]"], scalars: [1: -1]),
    RuleCase("CumSum", ["f32[n,10]", "i64[]"], scalars: [1: 2], error: "axis 2"),
    RuleCase("CumProd", ["bf16[n,10]", "i64[]"], ["bf16[n,10]"], scalars: [1: -1]),
  ]

  @Test(arguments: normalizations + reductions) func types(_ row: RuleCase) throws { try row.run() }

  @Test func topKBeyondTheAxisIsAnError() throws {
    let node = Node(op: "TopK", inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2), ValueID(3)])
    var context = InferenceContext(
      node: node, inputTypes: [try TypeText.parse("f32[2,3]"), try TypeText.parse("i64[1]")],
      constants: [nil, try .init(shape: [1], [4])])
    let rule = try #require(OperatorTable.rule(for: "TopK"))
    #expect(throws: GraphError.self) { try rule.infer(&context) }
  }
}
