import GraphIR
import Tensors
import Testing

@Suite struct ChannelBiasTests {
  private func join(_ builder: GraphBuilder, changes: Int) throws -> Graph {
    var model = builder.model()
    try model.graph.inferTypes()
    #expect(try Passes.joinChannelBiases(&model) == changes)
    try model.verify()
    try model.graph.inferTypes()
    return model.graph
  }

  private func floats(_ graph: Graph, _ name: String) -> [Float]? {
    graph.value(name)?.constant?.array(of: Float.self)
  }

  @Test func addBecomesTheBiasOfConvolution() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,4,4]")
    try builder.constant("w", [1, 2], [2, 1, 1, 1])
    try builder.constant("c", [3, 4], [1, 2, 1, 1])
    builder.node("Conv", ["x", "w"], ["v"])
    builder.node("Add", ["c", "v"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 1)
    #expect(graph.operators == ["Conv"])
    #expect(graph.inputNames(0) == ["x", "w", "w_bias"])
    #expect(graph.outputNames(0) == ["y"])
    #expect(floats(graph, "w_bias") == [3, 4])
    #expect(floats(graph, "w") == [1, 2])
  }

  /// ((W x + [1, 1]) + [1, 2]) · [2, -3] + 5, as exports of reparameterised networks have it.
  @Test func chainOfAddAndMul() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,4,4]")
    try builder.constant("w", [1, 2, 3, 4], [2, 1, 1, 2])
    try builder.constant("b", [1, 1])
    try builder.constant("offsets", [1, 2], [2, 1, 1])
    try builder.constant("factors", [2, -3], [2, 1, 1])
    try builder.constant("five", [5], [])
    builder.node("Conv", ["x", "w", "b"], ["v"])
    builder.node("Add", ["v", "offsets"], ["s"])
    builder.node("Mul", ["factors", "s"], ["m"])
    builder.node("Add", ["m", "five"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 3)
    #expect(graph.operators == ["Conv"])
    #expect(graph.inputNames(0) == ["x", "w", "b"])
    #expect(floats(graph, "w") == [2, 4, -9, -12])
    #expect(floats(graph, "b") == [9, -4])
  }

  @Test func factorWithoutBias() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,4,4]")
    try builder.constant("w", [1, 2], [2, 1, 1, 1])
    try builder.constant("two", [2], [1])
    builder.node("Conv", ["x", "w"], ["v"])
    builder.node("Mul", ["v", "two"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 1)
    #expect(graph.inputNames(0) == ["x", "w"])
    #expect(floats(graph, "w") == [2, 4])
  }

  /// [4 input channels, 1 output channel in each of 2 groups, 1, 1]
  @Test func transposedConvolutionInGroups() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,4,3,3]")
    try builder.constant("w", [1, 2, 3, 4], [4, 1, 1, 1])
    try builder.constant("factors", [2, 3], [1, 2, 1, 1])
    try builder.constant("offsets", [5, 6], [2, 1, 1])
    builder.node("ConvTranspose", ["x", "w"], ["v"], ["group": .int(2)])
    builder.node("Mul", ["v", "factors"], ["m"])
    builder.node("Add", ["m", "offsets"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 2)
    #expect(graph.operators == ["ConvTranspose"])
    #expect(floats(graph, "w") == [2, 4, 9, 12])
    #expect(floats(graph, "w_bias") == [5, 6])
  }

  @Test func gemmWithFactorOfItsBias() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,2]")
    try builder.constant("w", [1, 2, 3, 4], [2, 2])
    try builder.constant("b", [1, 2])
    try builder.constant("offsets", [10, 20])
    builder.node("Gemm", ["x", "w", "b"], ["v"], ["beta": .float(0.5), "transB": .int(1)])
    builder.node("Add", ["v", "offsets"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 1)
    #expect(graph.operators == ["Gemm"])
    #expect(floats(graph, "b") == [10.5, 21])
    #expect(graph.nodes[0].attributes.float("beta") == nil)
  }

  @Test func inABodyToo() throws {
    var body = GraphBuilder()
    try body.constant("w", [1, 2], [2, 1, 1, 1])
    try body.constant("c", [3, 4], [2, 1, 1])
    body.node("Conv", ["inner", "w"], ["v"])
    body.node("Add", ["v", "c"], ["r"])
    body.output("r")
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,4,4]")
    try builder.input("condition", "bool[]")
    body.graph.captures = [Capture(outer: builder.id("x"), inner: body.id("inner"))]
    builder.node(
      "If", ["condition"], ["y"], ["then_branch": .graph(body.graph), "else_branch": .graph(body.graph)])
    builder.output("y")
    let graph = try join(builder, changes: 2)
    #expect(graph.nodes[0].bodies.map(\.operators) == [["Conv"], ["Conv"]])
  }

  /// A bias that two convolutions read stays as it is for the other one.
  @Test func sharedBiasIsCopied() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,4,4]")
    try builder.constant("w", [1, 2], [2, 1, 1, 1])
    try builder.constant("b", [1, 1])
    try builder.constant("c", [3, 4], [2, 1, 1])
    builder.node("Conv", ["x", "w", "b"], ["v"])
    builder.node("Conv", ["x", "w", "b"], ["other"])
    builder.node("Add", ["v", "c"], ["y"])
    builder.output("y")
    builder.output("other")
    let graph = try join(builder, changes: 1)
    #expect(floats(graph, "b") == [1, 1])
    #expect(floats(graph, "w_bias") == [4, 5])
  }

  /// Another axis, another rank, another reader, no constant bias, a shared weight, a factor that is not finite.
  @Test(arguments: ["axis", "rank", "output", "bias", "shared", "infinite", "reader"])
  func stays(_ why: String) throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,2,2]")
    try builder.input("given", "f32[2]")
    try builder.constant("w", [1, 2], [2, 1, 1, 1])
    let shapes: [String: Shape] = ["axis": [2], "rank": [1, 1, 2, 1, 1]]
    try builder.constant("c", [why == "infinite" ? .infinity : 2, 3], shapes[why] ?? [2, 1, 1])
    builder.node("Conv", why == "bias" ? ["x", "w", "given"] : ["x", "w"], ["v"])
    builder.node(why == "shared" || why == "infinite" ? "Mul" : "Add", ["v", "c"], ["y"])
    builder.output("y")
    if why == "output" { builder.output("v") }
    if why == "reader" {
      builder.node("Relu", ["v"], ["z"])
      builder.output("z")
    }
    if why == "shared" {
      builder.node("Conv", ["x", "w"], ["z"])
      builder.output("z")
    }
    let before = builder.graph.operators
    let graph = try join(builder, changes: 0)
    #expect(graph.operators == before)
  }
}
