import GraphIR
import Tensors
import Testing

/// Each pass must fire where it should, leave alone what it must, and leave a graph that verifies.
@Suite struct PassesTests {
  /// Adds float vectors, for folding; knows nothing else.
  private func addEvaluator(_ node: Node, _ inputs: [Tensor?]) throws -> [Tensor]? {
    guard node.op == "Add", let a = inputs[0], let b = inputs[1], a.type == .float32 else { return nil }
    let sums = zip(a.array(of: Float.self), b.array(of: Float.self)).map { $0 + $1 }
    return [try Tensor(shape: a.shape, sums)]
  }

  private func run(
    _ model: inout Model, _ pass: (inout Model) throws(GraphError) -> Int, changes: Int
  ) throws {
    try model.verify()
    #expect(try pass(&model) == changes)
    try model.verify()
    try model.graph.inferTypes()
  }

  @Test func constantNodesBecomeInitializers() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    builder.node("Constant", [], ["c"], ["value_floats": .floats([1, 2])])
    builder.node("Add", ["x", "c"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(&model, Passes.hoistConstantNodes, changes: 1)
    #expect(model.graph.operators == ["Add"])
    #expect(model.graph.value("c")?.constant?.array(of: Float.self) == [1, 2])
  }

  @Test func identitiesGoAndOutputsKeepTheirNames() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    builder.node("Relu", ["x"], ["a"])
    builder.node("Identity", ["a"], ["b"])
    builder.node("Dropout", ["b"], ["c"])
    builder.node("Identity", ["c"], ["y"])
    builder.node("Neg", ["b"], ["z"])
    builder.output("y")
    builder.output("z")
    var model = builder.model()
    try run(&model, Passes.removeIdentities, changes: 3)
    #expect(model.graph.operators == ["Relu", "Neg"])
    #expect(model.graph.outputNames(0) == ["y"])
    #expect(model.graph.inputNames(1) == ["y"])
  }

  @Test func identitiesThatNameOutputsStay() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    builder.node("Identity", ["x"], ["copy"])
    builder.node("Relu", ["x"], ["a"])
    builder.node("Identity", ["a"], ["first"])
    builder.node("Identity", ["a"], ["second"])
    for name in ["copy", "first", "second"] { builder.output(name) }
    var model = builder.model()
    try run(&model, Passes.removeIdentities, changes: 1)
    #expect(model.graph.operators == ["Identity", "Relu", "Identity"])
    #expect(model.graph.outputs.map { model.graph[$0].name } == ["copy", "first", "second"])
  }

  @Test func aDropoutThatTrainsStays() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    try builder.input("train", "bool[]")
    builder.constant("ratio", try Tensor(scalar: Float(0.5)))
    builder.node("Dropout", ["x", "ratio", "train"], ["a"])
    builder.node("Relu", ["a"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(&model, Passes.removeIdentities, changes: 0)
  }

  @Test func constantsFoldThroughTheEvaluator() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    try builder.constant("a", [1, 2])
    try builder.constant("b", [10, 20])
    builder.node("Add", ["a", "b"], ["c"])
    builder.node("Add", ["c", "b"], ["d"])
    builder.node("Add", ["x", "d"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(
      &model,
      { model throws(GraphError) in
        try Passes.foldConstants(&model, evaluate: self.addEvaluator)
      }, changes: 2)
    #expect(model.graph.operators == ["Add"])
    #expect(model.graph.value("d")?.constant?.array(of: Float.self) == [21, 42])
  }

  @Test func aFoldedOutputKeepsItsName() throws {
    var builder = GraphBuilder()
    try builder.constant("a", [1, 2])
    builder.node("Add", ["a", "a"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(
      &model,
      { model throws(GraphError) in
        try Passes.foldConstants(&model, evaluate: self.addEvaluator)
      }, changes: 1)
    #expect(model.graph.value("y")?.constant?.array(of: Float.self) == [2, 4])
  }

  @Test func resultsThatGrowBeyondTheLimitAreNotFolded() throws {
    var builder = GraphBuilder()
    try builder.constant("one", [1], [1, 1])
    try builder.constant("shape", ints: [1000, 1000])
    builder.node("Expand", ["one", "shape"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(
      &model,
      { model throws(GraphError) in
        try Passes.foldConstants(
          &model,
          evaluate: { _, _ in
            Issue.record("evaluated although the result is too large")
            return nil
          }, maximumBytes: 1 << 16)
      }, changes: 0)
  }

  /// A small file must not become a large model by many results that are each within the limit.
  @Test func allResultsTogetherAreLimited() throws {
    var builder = GraphBuilder()
    try builder.constant("one", [1], [1])
    try builder.constant("shape", ints: [256])
    for number in 0..<40 {
      builder.node("Expand", ["one", "shape"], ["y\(number)"])
      builder.output("y\(number)")
    }
    var model = builder.model()
    let changes = try Passes.foldConstants(
      &model, evaluate: { _, _ in [try Tensor(type: .float32, shape: [256])] }, maximumBytes: 1024)
    #expect(changes == 16)
  }

  @Test func theShapeOfAFixedShapeIsAConstant() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2,3]")
    try builder.input("v", "f32[n,3]")
    builder.node("Shape", ["x"], ["fixed"])
    builder.node("Shape", ["v"], ["open"])
    builder.output("fixed")
    builder.output("open")
    var model = builder.model()
    try run(
      &model,
      { model throws(GraphError) in
        try Passes.foldConstants(&model, evaluate: { _, _ in nil })
      }, changes: 1)
    #expect(model.graph.value("fixed")?.constant?.array(of: Int.self) == [2, 3])
  }

  @Test func quantizedWeightsStayQuantized() throws {
    var builder = GraphBuilder()
    builder.constant("w", try Tensor(shape: [2], [Int8(1), 2]))
    builder.constant("scale", try Tensor(scalar: Float(0.5)))
    builder.node("DequantizeLinear", ["w", "scale"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(
      &model,
      { model throws(GraphError) in
        try Passes.foldConstants(
          &model,
          evaluate: { _, _ in
            Issue.record("DequantizeLinear was evaluated")
            return nil
          })
      }, changes: 0)
  }

  /// Softmax changed its meaning in opset 13, so that an older model's must not be computed as a new one's.
  @Test func operatorsThatChangedAreNotFoldedInOldModels() throws {
    var builder = GraphBuilder()
    try builder.constant("a", [1, 2], [1, 2])
    builder.node("Softmax", ["a"], ["y"])
    builder.output("y")
    var model = builder.model(opset: 11)
    #expect(try Passes.foldConstants(&model) { _, inputs in [inputs[0]!] } == 0)
    model.opsets[""] = Model.opsetVersions.upperBound
    #expect(try Passes.foldConstants(&model) { _, inputs in [inputs[0]!] } == 1)
  }

  @Test func equalConstantsAreShared() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[2]")
    try builder.constant("a", [1, 2])
    try builder.constant("b", [1, 2])
    try builder.constant("c", [1, 3])
    builder.constant("d", try Tensor(shape: [2, 1], [Float(1), 2]))
    builder.node("Sum", ["x", "a", "b", "c", "d"], ["y"])
    builder.output("y")
    var model = builder.model()
    try run(&model, Passes.shareEqualConstants, changes: 1)
    #expect(model.graph.inputNames(0) == ["x", "a", "a", "c", "d"])
  }

  @Test func deadCodeGoes() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,1,8,8]")
    try builder.constant("unused", [1, 2])
    builder.node("MaxPool", ["x"], ["y", "indices"], ["kernel_shape": .ints([2, 2])])
    builder.node("Relu", ["x"], ["dead"])
    builder.node("Relu", ["dead"], ["deader"])
    builder.output("y")
    var model = builder.model()
    // Two nodes, the unread indices, one initializer.
    try run(&model, Passes.removeDeadCode, changes: 4)
    #expect(model.graph.operators == ["MaxPool"])
    #expect(model.graph.outputNames(0) == ["y"])
    #expect(model.graph.values.map(\.name).sorted() == ["x", "y"])
  }

  @Test func partsOfASplitStayAllOrNone() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[6]")
    builder.node("Split", ["x"], ["y", "rest"], ["num_outputs": .int(2)])
    builder.output("y")
    var model = builder.model()
    try run(&model, Passes.removeDeadCode, changes: 0)
    #expect(model.graph.outputNames(0) == ["y", "rest"])
  }

  @Test func subGraphsAreCleanedToo() throws {
    var builder = GraphBuilder()
    try builder.input("c", "bool[]")
    try builder.input("x", "f32[2]")
    builder.node("Neg", ["x"], ["unneeded"])
    var inner = GraphBuilder()
    inner.node("Identity", ["x"], ["x2"])
    inner.node("Relu", ["x2"], ["r"])
    inner.node("Neg", ["u"], ["dead"])
    inner.output("r")
    inner.graph.captures = [
      Capture(outer: builder.id("x"), inner: inner.id("x")),
      Capture(outer: builder.id("unneeded"), inner: inner.id("u")),
    ]
    builder.node(
      "If", ["c"], ["y"], ["then_branch": .graph(inner.graph), "else_branch": .graph(inner.graph)])
    builder.output("y")
    var model = builder.model()
    try run(&model, Passes.removeIdentities, changes: 2)
    // In each branch a node and a capture, then the node that only the branches read.
    try run(&model, Passes.removeDeadCode, changes: 5)
    #expect(model.graph.operators == ["If"])
    #expect(model.graph.nodes[0].bodies.map(\.operators) == [["Relu"], ["Relu"]])
  }

  @Test func theWholeListVerifiesBetweenItsPasses() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[n,2]")
    builder.node("Constant", [], ["one"], ["value_floats": .floats([1, 1])])
    try builder.constant("two", [1, 1])
    builder.node("Add", ["one", "two"], ["sum"])
    builder.node("Identity", ["x"], ["same"])
    builder.node("Add", ["same", "sum"], ["y"])
    builder.output("y")
    var model = builder.model()
    for pass in Passes.simplifying(addEvaluator) {
      try model.verify()
      _ = try pass.run(&model)
      try model.verify()
    }
    #expect(model.graph.operators == ["Add"])
    #expect(model.graph.inputNames(0) == ["x", "sum"])
    #expect(model.graph.values.map(\.name).sorted() == ["sum", "x", "y"])
  }
}
