import GraphIR
import Tensors
import Testing

@Suite struct VerificationTests {
  private func chain() throws -> GraphBuilder {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,3]")
    builder.node("Relu", ["x"], ["a"])
    builder.node("Sigmoid", ["a"], ["y"])
    builder.output("y")
    return builder
  }

  @Test func aSoundGraphPasses() throws { try chain().graph.verify() }

  @Test func readingBeforeWriting() throws {
    var graph = try chain().graph
    graph.nodes.swapAt(0, 1)
    #expect(throws: GraphError.invalidGraph(reason: "graph 'test': node 'y' reads 'a' before it is provided"))
    {
      try graph.verify()
    }
  }

  @Test func aNodeThatReadsItself() throws {
    var graph = try chain().graph
    graph.nodes[0].inputs = graph.nodes[0].outputs
    #expect(throws: GraphError.cycle(graph: "test", node: "a")) { try graph.verify() }
  }

  @Test func aValueThatNothingProvides() throws {
    var builder = try chain()
    builder.node("Relu", ["ghost"], ["z"])
    #expect(throws: GraphError.undefinedValue(graph: "test", value: "ghost", reader: "node 'z'")) {
      try builder.graph.verify()
    }
  }

  @Test func aValueThatIsProvidedTwice() throws {
    var builder = try chain()
    builder.node("Relu", ["x"], ["y"])
    #expect(throws: GraphError.duplicateValue(graph: "test", value: "y")) { try builder.graph.verify() }
  }

  @Test func anOutputThatNothingProvides() throws {
    var builder = try chain()
    builder.output("nowhere")
    #expect(throws: GraphError.undefinedValue(graph: "test", value: "nowhere", reader: "the graph's outputs"))
    {
      try builder.graph.verify()
    }
  }

  @Test func anUnknownOperator() throws {
    var builder = try chain()
    builder.node("com.example.Frobnicate", ["y"], ["z"])
    let error = #expect(throws: GraphError.self) { try builder.graph.verify() }
    #expect(error == .unknownOperator(name: "z", op: "com.example.Frobnicate"))
    try builder.graph.verify(functions: ["com.example.Frobnicate"])
    try builder.graph.verifyStructure()
  }

  @Test func anIDOutsideTheGraph() throws {
    var graph = try chain().graph
    graph.nodes[0].inputs = [ValueID(99)]
    #expect(throws: GraphError.self) { try graph.verify() }
  }

  @Test func everyOperatorNameIsUsedOnce() {
    #expect(Set(OperatorTable.all.map(\.op)).count == OperatorTable.all.count)
  }
}
