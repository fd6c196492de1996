import GraphIR
import Testing

@Suite struct ElementwiseRulesTests {
  static let cases: [RuleCase] = [
    RuleCase("Add", ["f32[2,3]", "f32[3]"], ["f32[2,3]"]),
    RuleCase("Add", ["f32[batch,1]", "f32[1,5]"], ["f32[batch,5]"]),
    RuleCase("Add", ["f32[n,3]", "f32[n,3]"], ["f32[n,3]"]),
    RuleCase("Add", ["f32[n]", "f32[m]"], ["f32[?]"]),
    RuleCase("Add", ["f32[n]", "f32[4]"], ["f32[4]"]),
    RuleCase("Add", ["f32[0,3]", "f32[1,3]"], ["f32[0,3]"]),
    RuleCase("Add", ["f32", "f32[3]"], ["f32"]),
    RuleCase("Add", ["-", "f32[3]"], ["f32"]),
    RuleCase("Add", ["i64[]", "i64[2]"], ["i64[2]"]),
    RuleCase("Add", ["f32[2]", "f32[3]"], error: "do not broadcast"),
    RuleCase("Add", ["f32[2]", "f64[2]"], error: "input 1 is float64"),
    RuleCase("Add", ["bool[2]", "bool[2]"], error: "input 0 is bool"),
    RuleCase("Add", ["f32[2]"], error: "has 1 inputs"),
    RuleCase("Add", ["f32[2]", ""], error: "input 1 is required"),
    RuleCase("Add", ["f32[2]", "f32[2]"], [], ["axis": .int(1)], error: "attribute 'axis'"),
    RuleCase("Pow", ["f32[2,1]", "i64[3]"], ["f32[2,3]"]),
    RuleCase("Mod", ["i32[4]", "i32[4]"], ["i32[4]"], ["fmod": .int(0)]),
    RuleCase("Less", ["f16[2]", "f16[1]"], ["bool[2]"]),
    RuleCase("Equal", ["str[2]", "str[2]"], ["bool[2]"]),
    RuleCase("And", ["bool[2]", "bool[2,1]"], ["bool[2,2]"]),
    RuleCase("BitShift", ["u8[2]", "u8[2]"], ["u8[2]"], ["direction": .string("LEFT")]),
    RuleCase("BitShift", ["u8[2]", "u8[2]"], error: "direction"),
    RuleCase("BitwiseAnd", ["i8[2]", "i8[2]"], ["i8[2]"]),
    RuleCase("Sum", ["f32[2,1]", "f32[1,3]", "f32[1]"], ["f32[2,3]"]),
    RuleCase("Max", ["i32[2]"], ["i32[2]"]),
    RuleCase("Sum", [], error: "at least 1"),
    RuleCase("Where", ["bool[2,1]", "f32[3]", "f32[1]"], ["f32[2,3]"]),
    RuleCase("Where", ["f32[2]", "f32[2]", "f32[2]"], error: "the operator takes bool"),
    RuleCase("Clip", ["f32[b,2]", "f32[]", ""], ["f32[b,2]"]),
    RuleCase("Clip", ["f32[b,2]", "f32[2]"], error: "one element"),
    RuleCase("Clip", ["f32[b,2]", "f32[1]"], ["f32[b,2]"]),
    RuleCase("PRelu", ["f32[1,3,4,4]", "f32[3,1,1]"], ["f32[1,3,4,4]"]),
    RuleCase("PRelu", ["f32[3]", "f32[1,3]"], error: "higher rank"),
    RuleCase("Relu", ["f32[batch,10]"], ["f32[batch,10]"]),
    RuleCase("Relu", ["f32"], ["f32"]),
    RuleCase("Relu", ["-"], ["-"]),
    RuleCase("Relu", ["u8[2]"], error: "input 0 is uint8"),
    RuleCase("Gelu", ["f32[2]"], ["f32[2]"], ["approximate": .string("tanh")]),
    RuleCase("Gelu", ["f32[2]"], [], ["approximate": .string("fast")], error: "not one of none, tanh"),
    RuleCase("Not", ["bool[2]"], ["bool[2]"]),
    RuleCase("IsNaN", ["f32[2]"], ["bool[2]"]),
    RuleCase("LeakyRelu", ["f32[2]"], ["f32[2]"], ["alpha": .float(0.1)]),
  ]

  @Test(arguments: cases) func types(_ row: RuleCase) throws { try row.run() }

  @Test func attributeOfAnotherKindIsAnError() {
    let node = Node(
      name: "act", op: "LeakyRelu", inputs: [ValueID(0)], outputs: [ValueID(1)],
      attributes: ["alpha": .int(1)])
    #expect(
      throws: GraphError.invalidNode(
        name: "act", op: "LeakyRelu", reason: "attribute 'alpha' must be a float")
    ) {
      try ActivationAttributes(node)
    }
  }
}
