import GraphIR
import Tensors
import Testing

@Suite struct BatchNormalizationFoldingTests {
  /// With epsilon 0: factors 4 / 2 = 2 and 1 / 0.5 = 2, offsets 1 - 0.5 * 2 = 0 and -1 + 0.25 * 2 = -0.5.
  private func builder(_ input: String) throws -> GraphBuilder {
    var builder = GraphBuilder()
    try builder.input("x", input)
    try builder.constant("scale", [4, 1])
    try builder.constant("shift", [1, -1])
    try builder.constant("mean", [0.5, -0.25])
    try builder.constant("variance", [4, 0.25])
    return builder
  }

  private func finish(_ builder: inout GraphBuilder, reading value: String) {
    builder.node(
      "BatchNormalization", [value, "scale", "shift", "mean", "variance"], ["y"], ["epsilon": .float(0)])
    builder.output("y")
  }

  private func fold(_ builder: GraphBuilder) throws -> Graph {
    var model = builder.model()
    try model.graph.inferTypes()
    #expect(try Passes.foldBatchNormalization(&model) == 1)
    try model.verify()
    try model.graph.inferTypes()
    return model.graph
  }

  private func floats(_ graph: Graph, _ name: String) -> [Float]? {
    graph.value(name)?.constant?.array(of: Float.self)
  }

  @Test func convWithBias() throws {
    var builder = try builder("f32[n,1,4,4]")
    try builder.constant("w", [1, 2, 3, 4], [2, 1, 1, 2])
    try builder.constant("b", [1, 1])
    builder.node("Conv", ["x", "w", "b"], ["c"])
    finish(&builder, reading: "c")
    let graph = try fold(builder)
    #expect(graph.operators == ["Conv"])
    #expect(graph.inputNames(0) == ["x", "w", "b"])
    #expect(graph.outputNames(0) == ["y"])
    #expect(floats(graph, "w") == [2, 4, 6, 8])
    #expect(floats(graph, "b") == [2, 1.5])
  }

  @Test func convWithoutBias() throws {
    var builder = try builder("f32[n,1,4,4]")
    try builder.constant("w", [1, 2], [2, 1, 1, 1])
    builder.node("Conv", ["x", "w"], ["c"])
    finish(&builder, reading: "c")
    let graph = try fold(builder)
    #expect(graph.inputNames(0) == ["x", "w", "w_bias"])
    #expect(floats(graph, "w_bias") == [0, -0.5])
  }

  @Test func aSharedWeightIsCopied() throws {
    var builder = try builder("f32[n,1,4,4]")
    try builder.constant("w", [1, 2], [2, 1, 1, 1])
    builder.node("Conv", ["x", "w"], ["c"])
    builder.node("Conv", ["x", "w"], ["other"])
    builder.output("other")
    finish(&builder, reading: "c")
    let graph = try fold(builder)
    #expect(floats(graph, "w") == [1, 2])
    #expect(floats(graph, "w_1") == [2, 4])
  }

  /// Factors differ here, so that a mix-up of channels shows.
  @Test func transposedConvolutionInGroups() throws {
    var builder = try builder("f32[n,4,3,3]")
    builder.graph[builder.id("scale")].constant = try Tensor(shape: [2], [Float(4), 3])
    // [4 input channels, 1 output channel in each of 2 groups, 1, 1]
    try builder.constant("w", [1, 2, 3, 4], [4, 1, 1, 1])
    builder.node("ConvTranspose", ["x", "w"], ["c"], ["group": .int(2)])
    finish(&builder, reading: "c")
    let graph = try fold(builder)
    #expect(floats(graph, "w") == [2, 4, 18, 24])
  }

  @Test(arguments: [false, true])
  func gemm(transposed: Bool) throws {
    var builder = try builder("f32[n,3]")
    builder.graph[builder.id("scale")].constant = try Tensor(shape: [2], [Float(4), 3])
    try builder.constant("w", [1, 2, 3, 4, 5, 6], transposed ? [2, 3] : [3, 2])
    try builder.constant("b", [1])
    builder.node("Gemm", ["x", "w", "b"], ["c"], ["transB": .int(transposed ? 1 : 0), "beta": .float(2)])
    finish(&builder, reading: "c")
    let graph = try fold(builder)
    #expect(floats(graph, "w") == (transposed ? [2, 4, 6, 24, 30, 36] : [2, 12, 6, 24, 10, 36]))
    // (2 * 1 - 0.5) * 2 + 1 and (2 * 1 + 0.25) * 6 - 1, with beta folded in.
    #expect(floats(graph, "b") == [4, 12.5])
    #expect(graph.nodes[0].attributes.float("beta") == nil)
  }

  @Test func matMulAndAdd() throws {
    var builder = try builder("f32[n,3]")
    try builder.constant("w", [1, 2, 3, 4, 5, 6], [3, 2])
    try builder.constant("b", [1, 2])
    builder.node("MatMul", ["x", "w"], ["m"])
    builder.node("Add", ["b", "m"], ["a"])
    finish(&builder, reading: "a")
    let graph = try fold(builder)
    #expect(graph.operators == ["MatMul", "Add"])
    #expect(graph.outputNames(1) == ["y"])
    #expect(floats(graph, "w") == [2, 4, 6, 8, 10, 12])
    #expect(floats(graph, "b") == [2, 3.5])
  }

  /// Cases in which the normalization must stay: somebody else reads the product, or the channel axis differs.
  @Test func whatCannotBeFoldedStays() throws {
    var shared = try builder("f32[n,1,4,4]")
    try shared.constant("w", [1, 2], [2, 1, 1, 1])
    shared.node("Conv", ["x", "w"], ["c"])
    shared.output("c")
    finish(&shared, reading: "c")

    var deep = try builder("f32[n,2,3]")
    try deep.constant("w", [1, 2, 3, 4, 5, 6], [3, 2])
    deep.node("MatMul", ["x", "w"], ["m"])
    finish(&deep, reading: "m")

    var training = try builder("f32[n,1,4,4]")
    try training.constant("w", [1, 2], [2, 1, 1, 1])
    training.node("Conv", ["x", "w"], ["c"])
    finish(&training, reading: "c")
    training.graph.nodes[1].attributes["training_mode"] = .int(1)

    for builder in [shared, deep, training] {
      var model = builder.model()
      try model.graph.inferTypes()
      #expect(try Passes.foldBatchNormalization(&model) == 0)
      #expect(model.graph.operators.contains("BatchNormalization"))
    }
  }
}
