import Tensors
import Testing

@testable import GraphIR

@Suite struct ContribLoweringTests {
  private func lowered(_ builder: GraphBuilder) throws -> Graph {
    var model = builder.model()
    try model.lowerContribOperators()
    try model.verify()
    try model.graph.inferTypes()
    return model.graph
  }

  @Test func leavesOtherModelsAlone() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,4]")
    builder.node("Relu", ["x"], ["y"])
    builder.output("y")
    let graph = try lowered(builder)
    #expect(graph.operators == ["Relu"])
    #expect(graph.values.count == builder.graph.values.count)
  }

  @Test func keepsNamesAndSymbols() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,4]")
    try builder.constant("bias", [1, 2, 3, 4])
    builder.node("com.microsoft.BiasGelu", ["x", "bias"], ["y"])
    builder.output("y")
    let graph = try lowered(builder)
    #expect(graph.operators == ["Add", "Gelu"])
    #expect(graph.type("y") == "f32[n,4]")
  }

  @Test func computesHalvesInFloat32AndRoundsOnce() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f16[n,4]")
    builder.node("com.microsoft.QuickGelu", ["x"], ["y"])
    builder.output("y")
    let graph = try lowered(builder)
    #expect(graph.operators == ["Cast", "Swish", "Cast"])
    #expect(graph.type("y") == "f16[n,4]")
  }

  @Test func attentionKeepsTheBatchSymbol() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,length,8]")
    try builder.input("mask", "i32[n,length]")
    builder.constant("weights", try Tensor(type: .float32, shape: [8, 24]))
    builder.constant("bias", try Tensor(type: .float32, shape: [24]))
    builder.node(
      "com.microsoft.Attention", ["x", "weights", "bias", "mask"], ["y"], ["num_heads": .int(2)])
    builder.output("y")
    #expect(try lowered(builder).type("y") == "f32[n,length,8]")
  }

  /// Types come from the graph around it.
  @Test func writesSubGraphsToo() throws {
    var body = GraphBuilder()
    body.node("com.microsoft.FusedMatMul", ["a", "a"], ["inner"], ["transA": .int(1)])
    body.output("inner")
    var builder = GraphBuilder()
    try builder.input("x", "f32[2,3]")
    try builder.input("condition", "bool[]")
    var branch = body.graph
    branch.captures = [Capture(outer: builder.id("x"), inner: body.id("a"))]
    builder.node(
      "If", ["condition"], ["y"], ["then_branch": .graph(branch), "else_branch": .graph(branch)])
    builder.output("y")
    let graph = try lowered(builder)
    #expect(
      graph.nodes[0].bodies.map(\.operators)
        == Array(repeating: ["Transpose", "MatMul", "Identity"], count: 2))
    #expect(graph.type("y") == "f32[3,3]")
  }

  @Test func namesWhatItCannotWrite() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[1,2,8]")
    builder.node(
      "com.microsoft.GroupQueryAttention", ["x", "x", "x", "", "", "x", "x"], ["y"],
      ["num_heads": .int(1), "kv_num_heads": .int(1), "smooth_softmax": .int(1)])
    builder.output("y")
    let error = #expect(throws: GraphError.self) { try lowered(builder) }
    #expect(
      error?.description
        == "node 'y' (com.microsoft.GroupQueryAttention): attribute 'smooth_softmax' is not supported")
  }

  /// A writer may add a body for readers that do not know an operator; it is not looked at.
  @Test func knownOperatorsWinOverFunctions() throws {
    var body = GraphBuilder()
    try body.input("a", "f32[]")
    body.node("Neg", ["a"], ["b"])
    body.output("b")
    var builder = GraphBuilder()
    try builder.input("x", "f32[4]")
    builder.node("com.microsoft.Gelu", ["x"], ["y"])
    builder.node("com.example.Gelu", ["y"], ["z"])
    builder.output("z")
    var model = builder.model()
    model.functions = ["com.microsoft.Gelu", "com.example.Gelu"].map {
      Function(op: OperatorName(stringLiteral: $0), body: body.graph)
    }
    try model.inlineFunctions()
    try model.lowerContribOperators()
    #expect(model.graph.operators == ["Gelu", "Neg"])
  }

  @Test(arguments: [
    RuleCase(
      "com.microsoft.MatMulNBits", ["f16[n,s,40]", "u8[8,3,8]", "f16[8,3]", "u8[16]"], ["f16[n,s,8]"],
      ["K": .int(40), "N": .int(8), "bits": .int(4), "block_size": .int(16)]),
    RuleCase(
      "com.microsoft.MatMulNBits", ["f32[n,40]", "u8[8,2,8]", "f32[8,3]"], [],
      ["K": .int(40), "N": .int(8), "bits": .int(4), "block_size": .int(16)],
      error: "input 1 has 128 elements, not 192"),
    RuleCase(
      "com.microsoft.MatMulNBits", ["f32[n,41]", "u8[8,3,8]", "f32[8,3]"], [],
      ["K": .int(40), "N": .int(8), "bits": .int(4), "block_size": .int(16)],
      error: "the depth and attribute 'K' differ"),
    RuleCase(
      "com.microsoft.GatherBlockQuantized", ["u8[10,16]", "i64[n,s]", "f32[10,2]"], ["f32[n,s,32]"],
      ["block_size": .int(16)]),
    RuleCase(
      "com.microsoft.GatherBlockQuantized", ["u8[10,16]", "i64[n]", "f32[10,3]"], [],
      ["block_size": .int(16)], error: "do not fit"),
    RuleCase(
      "com.microsoft.GatherBlockQuantized", ["u8[10,16]", "i64[n]", "f32[10,2]"], [],
      ["block_size": .int(16), "gather_axis": .int(1)], error: "uint8 data is gathered on axis 0"),
    RuleCase(
      "com.microsoft.DynamicQuantizeLSTM",
      [
        "f32[s,n,4]", "i8[1,4,12]", "i8[1,3,12]", "", "", "", "", "", "f32[1]", "i8[1]", "f32[1,12]",
        "i8[1,12]",
      ],
      ["f32[s,1,n,3]", "f32[1,n,3]", "f32[1,n,3]"]),
    RuleCase(
      "com.microsoft.GatherBlockQuantized", ["u8[2,2305843009213693952]", "i64[n]", "f32[2,1]"], [],
      ["block_size": .int(16), "bits": .int(8), "quantize_axis": .int(0)], error: "do not fit"),
    RuleCase(
      "com.microsoft.MatMulNBits", ["f32[n,16]", "u8[8,1,8]", "f32[8,1]", "f16[8,1]"], [],
      ["K": .int(16), "N": .int(8), "bits": .int(4), "block_size": .int(16)], error: "input 3 is float16"),
    RuleCase("com.microsoft.CDist", ["f32[a,4]", "f32[b,4]"], ["f32[a,b]"]),
    RuleCase("com.microsoft.CDist", ["f32[a,4]", "f32[b,5]"], error: "the features of both inputs differ"),
    RuleCase("com.microsoft.Inverse", ["f32[n,3,4]"], error: "the extents of the matrix differ"),
    RuleCase("com.microsoft.MurmurHash3", ["str[n]"], ["u32[n]"]),
    RuleCase("com.microsoft.MurmurHash3", ["i64[n]"], ["i32[n]"], ["positive": .int(0)]),
    RuleCase(
      "com.microsoft.NGramRepeatBlock", ["i64[n,s]", "f32[n,9]"], ["f32[n,9]"], ["ngram_size": .int(2)]),
  ])
  func rules(_ item: RuleCase) throws { try item.run() }
}
