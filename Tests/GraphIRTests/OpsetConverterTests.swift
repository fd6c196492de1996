import Tensors
import Testing

@testable import GraphIR

struct OpsetConverterTests {
  private func raise(
    _ op: OperatorName, _ attributes: Attributes, from: Int, to: Int, inputs: [String] = ["x"],
    outputs: [String] = ["y"], type: String = "f32[2,3,4]", reading: [String] = ["y"]
  ) throws -> Graph {
    var builder = GraphBuilder()
    for input in inputs where !input.isEmpty { try builder.input(input, type) }
    builder.node(op, inputs, outputs, attributes)
    for output in reading { builder.output(output) }
    let model = try builder.model(opset: from, irVersion: 3).raised(to: to)
    #expect(model.opsets[""] == to)
    try #expect(Model.load(bytes: model.serialized()).graph.operators == model.graph.operators)
    return model.graph
  }

  @Test(arguments: [
    ("Unsqueeze", 11, 13, "axes", 1), ("Squeeze", 11, 13, "axes", 1), ("ReduceSum", 12, 13, "axes", 1),
    ("ReduceMean", 13, 18, "axes", 1), ("ReduceLogSumExp", 7, 25, "axes", 1), ("Slice", 9, 10, "starts", 1),
    ("Split", 12, 13, "split", 1), ("Pad", 10, 11, "pads", 1),
  ])
  func listBecomesInput(_ row: (type: String, from: Int, to: Int, attribute: String, input: Int)) throws {
    let graph = try raise(
      OperatorName(type: row.type), [row.attribute: .ints([0, 1])], from: row.from, to: row.to)
    let node = try #require(graph.nodes.first)
    #expect(node.attributes[row.attribute] == nil)
    #expect(graph.constant(node.inputs[row.input]) == (try Tensor(shape: [2], [0, 1])))
  }

  @Test func partialRaisingStopsAtTheVersion() throws {
    let graph = try raise("ReduceMean", ["axes": .ints([1])], from: 7, to: 13)
    #expect(graph.nodes[0].attributes.ints("axes") == [1])
    #expect(graph.nodes[0].inputs.count == 1)
  }

  @Test func versionsMatch() throws {
    for (opset, irVersion) in [(8, 3), (9, 4), (13, 7), (21, 10), (25, 13)] {
      var builder = GraphBuilder()
      try builder.input("x", "f32[1]")
      builder.node("Relu", ["x"], ["y"])
      builder.output("y")
      let model = try builder.model(opset: 7, irVersion: 3).raised(to: opset)
      #expect(model.irVersion == irVersion)
      #expect(try model.raised(to: 7).opsets[""] == opset)
    }
  }

  @Test func clip() throws {
    let graph = try raise("Clip", ["max": .float(6)], from: 7, to: 25, type: "f16[2]")
    #expect(graph.nodes[0].inputs[1].isNone)
    #expect(graph.constant(graph.nodes[0].inputs[2]) == (try Tensor(scalar: Float16(6))))
    let open = try raise(
      "Clip", ["min": .float(-.greatestFiniteMagnitude), "max": .float(.greatestFiniteMagnitude)], from: 7,
      to: 11)
    #expect(open.nodes[0].inputs.count == 1)
  }

  @Test(arguments: ["Softmax", "LogSoftmax", "Hardmax"]) func softmax(_ type: String) throws {
    let op = OperatorName(type: type)
    #expect(try raise(op, ["axis": .int(2)], from: 11, to: 13).operators == [type])
    #expect(try raise(op, ["axis": .int(-1)], from: 11, to: 13).operators == [type])
    #expect(try raise(op, [:], from: 11, to: 13, type: "f32[2,3]").operators == [type])
    let graph = try raise(op, ["axis": .int(1)], from: 11, to: 13)
    #expect(graph.operators == ["Shape", "Flatten", type, "Reshape"])
    #expect(graph.outputNames(3) == ["y"])
    #expect(graph.nodes[2].attributes.int("axis") == -1)
    #expect(graph.inputNames(3)[1] == graph.outputNames(0)[0])
    // Since 13 one axis counts: nothing to do.
    #expect(try raise(op, ["axis": .int(1)], from: 13, to: 25).operators == [type])
  }

  @Test func batchNormalization() throws {
    let inputs = ["x", "scale", "b", "m", "v"]
    let one = try raise("BatchNormalization", ["spatial": .int(1)], from: 7, to: 25, inputs: inputs)
    #expect(one.nodes[0].attributes.entries.isEmpty)
    let outputs = ["y", "mean", "var", "saved_mean", "saved_var"]
    let training = try raise(
      "BatchNormalization", [:], from: 9, to: 14, inputs: inputs, outputs: outputs, reading: ["y", "mean"])
    #expect(training.nodes[0].attributes.int("training_mode") == 1)
    #expect(training.outputNames(0) == ["y", "mean", "var"])
    #expect(throws: GraphError.self) {
      try raise(
        "BatchNormalization", [:], from: 9, to: 14, inputs: inputs, outputs: outputs, reading: ["saved_mean"])
    }
    let perElement = try raise("BatchNormalization", ["spatial": .int(0)], from: 7, to: 9, inputs: inputs)
    #expect(perElement.operators == ["Add", "Sqrt", "Sub", "Div", "Mul", "Add"])
  }

  /// The element type of what is clipped comes from the nodes before it, or is left to CastLike.
  @Test func typesAlongTheWay() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f16[2]")
    builder.node("Where", ["c", "x", "x"], ["w"])
    try builder.input("c", "bool[2]")
    builder.node("Clip", ["w"], ["y"], ["max": .float(6)])
    builder.output("y")
    let known = try builder.model(opset: 9).raised().graph
    #expect(known.constant(known.nodes[1].inputs[2]) == (try Tensor(scalar: Float16(6))))
    builder.graph.nodes[0].op = OperatorName(domain: "com.example", type: "Custom")
    let unknown = try builder.model(opset: 9).raised().graph
    #expect(unknown.operators.suffix(2) == ["CastLike", "Clip"])
    #expect(throws: GraphError.self) { try builder.model(opset: 9).raised(to: 13) }
  }

  @Test func softmaxOfNothing() throws {
    let graph = try raise("Softmax", ["axis": .int(1)], from: 11, to: 25, type: "f32[2,0,3]")
    #expect(graph.nodes.last?.attributes.int("allowzero") == 1)
  }

  @Test func upsample() throws {
    let graph = try raise(
      "Upsample", ["scales": .floats([1, 2, 2]), "mode": .string("nearest")], from: 7, to: 25)
    let node = graph.nodes[0]
    #expect(node.op == "Resize")
    #expect(node.attributes.string("coordinate_transformation_mode") == "asymmetric")
    #expect(node.attributes.string("nearest_mode") == "floor")
    #expect(node.attributes.entries.count == 3)
    #expect(node.inputs[1].isNone)
    #expect(graph.constant(node.inputs[2]) == (try Tensor(shape: [3], [Float(1), 2, 2])))
  }

  @Test func resize() throws {
    var builder = GraphBuilder()
    try builder.input("x", "f32[1,1,4,4]")
    try builder.constant("s", [1, 1, 0.5, 0.5])
    builder.node("Resize", ["x", "s"], ["y"])
    builder.output("y")
    let graph = try builder.model(opset: 10).raised(to: 11).graph
    #expect(graph.nodes[0].attributes.string("nearest_mode") == "ceil")
    #expect(graph.constant(graph.nodes[0].inputs[1])?.elementCount == 0)
    // Growing and shrinking round differently, so that each gets a node of its own.
    builder.constant("s", try Tensor(shape: [4], [Float(1), 1, 2, 0.5]))
    let both = try builder.model(opset: 10).raised().graph
    #expect(both.operators == ["Min", "Resize", "Max", "Resize"])
    #expect(both.nodes[1].attributes.string("nearest_mode") == "ceil")
    #expect(both.nodes[3].attributes.string("nearest_mode") == "floor")
  }

  @Test func sizesOfResizeReplaceEmptyScales() throws {
    let graph = try raise(
      "Resize", [:], from: 11, to: 13, inputs: ["x", "roi", "scales", "sizes"])
    #expect(graph.inputNames(0) == ["x", "", "", "sizes"])
  }

  @Test func otherChanges() throws {
    #expect(
      try raise("Scatter", [:], from: 9, to: 25, inputs: ["x", "i", "u"]).operators == ["ScatterElements"])
    let split = try raise("Split", ["axis": .int(1)], from: 11, to: 18, outputs: ["y", "z", "w"])
    #expect(split.nodes[0].attributes.int("num_outputs") == 3)
    let dropout = try raise("Dropout", ["ratio": .float(0.25)], from: 7, to: 25, outputs: ["y", "mask"])
    #expect(dropout.constant(dropout.nodes[0].inputs[1]) == (try Tensor(scalar: Float(0.25))))
    #expect(dropout.nodes[0].attributes.entries.isEmpty)
    let masked = try raise(
      "Dropout", [:], from: 7, to: 10, outputs: ["y", "mask"], type: "f16[2]", reading: ["y", "mask"])
    #expect(masked.operators == ["Dropout", "Cast"])
    #expect(masked.nodes[1].attributes.int("to") == 10)
    let top = try raise("TopK", ["k": .int(2)], from: 7, to: 25, outputs: ["y", "i"])
    #expect(top.constant(top.nodes[0].inputs[1]) == (try Tensor(shape: [1], [2])))
    let roi = try raise("RoiAlign", [:], from: 10, to: 16, inputs: ["x", "r", "b"])
    #expect(roi.nodes[0].attributes.string("coordinate_transformation_mode") == "output_half_pixel")
    let sample = try raise("GridSample", ["mode": .string("bilinear")], from: 16, to: 20, inputs: ["x", "g"])
    #expect(sample.nodes[0].attributes.string("mode") == "linear")
    let dft = try raise("DFT", [:], from: 17, to: 20)
    #expect(dft.constant(dft.nodes[0].inputs[2]) == (try Tensor(scalar: 1)))
    let group = try raise(
      "GroupNormalization", ["num_groups": .int(3)], from: 18, to: 21, inputs: ["x", "s", "b"])
    #expect(group.operators.filter { $0 == "Expand" }.count == 2)
    #expect(group.operators.last == "GroupNormalization")
  }

  @Test func refusesWhatHasNoEqual() throws {
    #expect(
      throws: GraphError.unconvertible(
        name: "y", op: "Scan", version: 9, reason: "sequence_lens is no longer possible")
    ) { try raise("Scan", [:], from: 8, to: 25) }
  }

  @Test func subgraphsAndFunctions() throws {
    var branch = GraphBuilder()
    try branch.input("a", "f32[2,3]")
    branch.node("ReduceSum", ["a"], ["b"], ["axes": .ints([1])])
    branch.output("b")
    var builder = GraphBuilder()
    try builder.input("x", "bool")
    builder.node("If", ["x"], ["y"], ["then_branch": .graph(branch.graph)])
    builder.output("y")
    var body = GraphBuilder()
    try body.input("a", "f32[2,3]")
    body.node("ReduceSum", ["a"], ["b"], ["axes": .reference(name: "over", kind: .ints)])
    body.output("b")
    var model = builder.model(opset: 11)
    var function = Function(op: OperatorName(domain: "com.example", type: "F"), body: body.graph)
    function.opsets = ["": 11]
    model.functions = [function]
    let raised = try model.raised(to: 13)
    let inner = try #require(raised.graph.nodes[0].attributes.graph("then_branch"))
    #expect(inner.constant(inner.nodes[0].inputs[1]) == (try Tensor(shape: [1], [1])))
    let raisedBody = raised.functions[0].body
    #expect(raisedBody.operators == ["Constant", "ReduceSum"])
    #expect(raised.functions[0].opsets == ["": 13])
  }

  @Test func newNamesAreUnique() throws {
    var builder = GraphBuilder()
    try builder.input("y_axes", "f32[2,3]")
    builder.node("ReduceSum", ["y_axes"], ["y"], ["axes": .ints([1])])
    builder.output("y")
    let graph = try builder.model(opset: 11).raised().graph
    #expect(graph.inputNames(0) == ["y_axes", "y_axes_1"])
  }
}
