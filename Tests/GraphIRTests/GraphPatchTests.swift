import GraphIR
import Tensors
import Testing

@Suite struct GraphPatchTests {
  private func chain() throws -> GraphBuilder {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,3]")
    builder.node("Relu", ["x"], ["a"])
    builder.node("Identity", ["a"], ["y"])
    builder.node("Sigmoid", ["a"], ["z"])
    builder.output("y")
    builder.output("z")
    return builder
  }

  @Test func anOutputKeepsItsName() throws {
    var builder = try chain()
    var patch = GraphPatch("test", for: builder.graph)
    patch.replaceUses(of: builder.id("y"), with: builder.id("a"))
    patch.remove(1)
    try patch.apply(to: &builder.graph)
    #expect(builder.graph.operators == ["Relu", "Sigmoid"])
    #expect(builder.graph.outputNames(0) == ["y"])
    #expect(builder.graph.inputNames(1) == ["y"])
  }

  @Test func insertedNodesComeInOrderAndNamesStayUnique() throws {
    var builder = try chain()
    let a = builder.id("a")
    var patch = GraphPatch("test", for: builder.graph)
    let first = patch.addValue(Value(name: "a"))
    let second = patch.addValue(Value(name: "a"))
    patch.insert(Node(name: "one", op: "Neg", inputs: [a], outputs: [first]), before: 2)
    patch.insert(Node(name: "two", op: "Neg", inputs: [first], outputs: [second]), before: 2)
    var sigmoid = builder.graph.nodes[2]
    sigmoid.inputs = [second]
    patch.replace(2, with: sigmoid)
    try patch.apply(to: &builder.graph)
    #expect(builder.graph.operators == ["Relu", "Identity", "Neg", "Neg", "Sigmoid"])
    #expect(builder.graph[first].name == "a_1")
    #expect(builder.graph[second].name == "a_2")
  }

  @Test func aBrokenPatchChangesNothing() throws {
    var builder = try chain()
    var patch = GraphPatch("drop the relu", for: builder.graph)
    patch.remove(0)
    let error = #expect(throws: GraphError.self) { try patch.apply(to: &builder.graph) }
    #expect(error?.description.contains("drop the relu") == true)
    #expect(builder.graph.operators == ["Relu", "Identity", "Sigmoid"])
  }

  @Test func anInputCannotTakeTheNameOfAnOutput() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[3]")
    builder.node("Identity", ["x"], ["y"])
    builder.output("y")
    var patch = GraphPatch("test", for: builder.graph)
    patch.replaceUses(of: builder.id("y"), with: builder.id("x"))
    patch.remove(0)
    #expect(throws: GraphError.self) { try patch.apply(to: &builder.graph) }
  }

  @Test func aCircleOfReplacementsIsAnError() throws {
    var builder = try chain()
    var patch = GraphPatch("test", for: builder.graph)
    patch.replaceUses(of: builder.id("a"), with: builder.id("z"))
    patch.replaceUses(of: builder.id("z"), with: builder.id("a"))
    #expect(throws: GraphError.self) { try patch.apply(to: &builder.graph) }
  }

  @Test func subGraphsFollowAReplacement() throws {
    var builder = try chain()
    var inner = GraphBuilder()
    inner.node("Neg", ["captured"], ["r"])
    inner.output("r")
    inner.graph.captures = [Capture(outer: builder.id("y"), inner: inner.id("captured"))]
    try builder.input("c", "bool[]")
    builder.node(
      "If", ["c"], ["w"], ["then_branch": .graph(inner.graph), "else_branch": .graph(inner.graph)])
    builder.output("w")
    builder.graph.outputs.removeFirst()
    var patch = GraphPatch("test", for: builder.graph)
    patch.replaceUses(of: builder.id("y"), with: builder.id("a"))
    patch.remove(1)
    try patch.apply(to: &builder.graph)
    let outers = builder.graph.nodes.last?.bodies.flatMap { $0.captures.map(\.outer) }
    #expect(outers == [builder.id("a"), builder.id("a")])
  }
}
