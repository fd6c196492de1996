import GraphIR
import Tensors
import Testing

@Suite struct ChannelScaleTests {
  private func normalized(_ input: String = "f32[n,2,4,4]") throws -> GraphBuilder {
    var builder = GraphBuilder()
    try builder.input("x", input)
    try builder.constant("scale", [4, 1])
    try builder.constant("bias", [1, -1])
    try builder.constant("mean", [0.5, -0.25])
    try builder.constant("variance", [4, 0.25])
    builder.node("BatchNormalization", ["x", "scale", "bias", "mean", "variance"], ["b"])
    return builder
  }

  private func join(_ builder: GraphBuilder, changes: Int) throws -> Graph {
    var model = builder.model()
    try model.graph.inferTypes()
    #expect(try Passes.joinChannelScales(&model) == changes)
    try model.verify()
    return model.graph
  }

  private func parameters(_ graph: Graph) -> [[Float]] {
    graph.nodes[0].inputs[1...2].map { graph[$0].constant?.array(of: Float.self) ?? [] }
  }

  @Test func mulAndAddOfChannels() throws {
    var builder = try normalized()
    try builder.constant("factors", [2, 3], [2, 1, 1])
    try builder.constant("offsets", [10, 20], [1, 2, 1, 1])
    builder.node("Mul", ["b", "factors"], ["m"])
    builder.node("Add", ["offsets", "m"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 2)
    #expect(graph.operators == ["BatchNormalization"])
    #expect(graph.outputNames(0) == ["y"])
    #expect(parameters(graph) == [[8, 3], [12, 17]])
  }

  @Test func oneNumberForAll() throws {
    var builder = try normalized()
    try builder.constant("factor", [2], [])
    builder.node("Mul", ["b", "factor"], ["y"])
    builder.output("y")
    let graph = try join(builder, changes: 1)
    #expect(parameters(graph) == [[8, 2], [2, -2]])
  }

  /// Another axis, another rank, another reader, no constant: all stay.
  @Test(arguments: [
    ("factors", [2], false), ("factors", [1, 1, 2, 1, 1], false), ("factors", [2, 1, 1], true),
  ]) func stays(_ name: String, _ shape: [Int], _ isOutput: Bool) throws {
    var builder = try normalized("f32[n,2,2,2]")
    try builder.constant(name, [2, 3], Shape(shape))
    builder.node("Mul", ["b", name], ["y"])
    builder.output("y")
    if isOutput { builder.output("b") }
    let graph = try join(builder, changes: 0)
    #expect(graph.operators == ["BatchNormalization", "Mul"])
  }
}
