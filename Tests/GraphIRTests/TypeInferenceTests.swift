import GraphIR
import Tensors
import Testing

@Suite struct TypeInferenceTests {
  /// The shape computation that exporters put around attention heads.
  @Test func symbolsSurviveShapeArithmetic() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[batch,seq,768]")
    builder.constant("zero", try Tensor(scalar: 0))
    builder.constant("one", try Tensor(scalar: 1))
    try builder.constant("axis", ints: [0])
    try builder.constant("tail", ints: [12, 64])
    builder.node("Shape", ["x"], ["shape"])
    builder.node("Gather", ["shape", "zero"], ["b"])
    builder.node("Gather", ["shape", "one"], ["s"])
    builder.node("Unsqueeze", ["b", "axis"], ["b1"])
    builder.node("Unsqueeze", ["s", "axis"], ["s1"])
    builder.node("Concat", ["b1", "s1", "tail"], ["target"], ["axis": .int(0)])
    builder.node("Reshape", ["x", "target"], ["heads"])
    builder.node("Transpose", ["heads"], ["y"], ["perm": .ints([0, 2, 1, 3])])
    builder.output("y")
    var graph = builder.graph
    try graph.inferTypes()
    #expect(graph.type("heads") == "f32[batch,seq,12,64]")
    #expect(graph.type("y") == "f32[batch,12,seq,64]")
  }

  @Test func declaredTypesAreKeptWhereTheySayMore() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,3]")
    builder.node("NonZero", ["x"], ["y"])
    builder.output("y")
    builder.graph[builder.id("y")].type = try TypeText.parse("i64[2,count]")
    var graph = builder.graph
    try graph.inferTypes()
    #expect(graph.type("y") == "i64[2,count]")
  }

  /// Shapes in files are hints: stale ones occur, and what the rule says holds.
  @Test(arguments: ["f32[n,4]", "f32[3]", "f32[1,3]", "f32[m,?]"])
  func aContradictingShapeIsDropped(_ declared: String) throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,3]")
    builder.node("Relu", ["x"], ["y"])
    builder.output("y")
    builder.graph[builder.id("y")].type = try TypeText.parse(declared)
    var graph = builder.graph
    try graph.inferTypes()
    #expect(graph.type("y") == "f32[n,3]")
  }

  @Test func aContradictingElementTypeIsAnError() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,3]")
    builder.node("Relu", ["x"], ["y"])
    builder.output("y")
    builder.graph[builder.id("y")].type = try TypeText.parse("i32[n,3]")
    var graph = builder.graph
    let error = #expect(throws: GraphError.self) { try graph.inferTypes() }
    guard case .typeConflict(let value, _, _)? = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(value == "y")
  }

  @Test func aNodeWithoutNameIsCalledByItsOutput() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    try builder.input("z", "f32[3]")
    builder.node("Add", ["x", "z"], ["sum"])
    builder.output("sum")
    builder.graph.nodes[0].name = ""
    var graph = builder.graph
    let error = #expect(throws: GraphError.self) { try graph.inferTypes() }
    #expect(error?.description.contains("'sum' (Add)") == true)
  }

  /// Branches read the enclosing graph and agree on what they can.
  @Test func branchesOfAnIf() throws {
    func branch(_ op: OperatorName, outer: ValueID) -> Graph {
      var inner = GraphBuilder()
      inner.node(op, ["x"], ["r"])
      inner.output("r")
      inner.graph.captures = [Capture(outer: outer, inner: inner.id("x"))]
      return inner.graph
    }
    var builder = GraphBuilder()
    try builder.input("c", "bool[]")
    try builder.input("x", "f32[n,3]")
    let x = builder.id("x")
    builder.node(
      "If", ["c"], ["y"],
      ["then_branch": .graph(branch("Relu", outer: x)), "else_branch": .graph(branch("Transpose", outer: x))])
    builder.output("y")
    var graph = builder.graph
    try graph.verify()
    try graph.inferTypes()
    #expect(graph.type("y") == "f32[?,?]")
  }

  @Test func aLoopStacksItsScanOutputs() throws {
    var body = GraphBuilder()
    try body.input("i", "i64[]")
    try body.input("go", "bool[]")
    body.graph.inputs.append(body.id("state"))
    body.node("Identity", ["go"], ["go_on"])
    body.node("Relu", ["state"], ["next"])
    body.node("Identity", ["i"], ["number"])
    for name in ["go_on", "next", "number"] { body.output(name) }
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,3]")
    builder.constant("count", try Tensor(scalar: 4))
    builder.node("Loop", ["count", "", "x"], ["y", "numbers"], ["body": .graph(body.graph)])
    builder.output("y")
    builder.output("numbers")
    var graph = builder.graph
    try graph.inferTypes()
    #expect(graph.type("y") == "f32")
    #expect(graph.type("numbers") == "i64[?]")
  }
}
