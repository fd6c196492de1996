import GraphIR
import Tensors
import Testing

@testable import Engine

private func ml(_ type: String) -> OperatorName { OperatorName(domain: "ai.onnx.ml", type: type) }

@Suite struct MapOperatorTests {
  private static let scores = floats([2, 3], [0.1, 0.2, 0.7, 0.5, 0.3, 0.2])
  private static let labels: Attributes = ["classlabels_strings": .strings(["b", "c", "a"])]

  private static func zipMap(mapsAsTensors: Bool) throws -> Program {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.unknown, .known(3)])
    builder.output(builder.node(ml("ZipMap"), [x], attributes: labels)[0])
    var options = CompileOptions()
    options.mapsAsTensors = mapsAsTensors
    return try Program.compile(builder.model(), options: options)
  }

  private static func run(_ op: String, _ input: RuntimeValue, _ type: ValueType, _ attributes: Attributes)
    throws
    -> RuntimeValue
  {
    var graph = Graph(name: "map")
    let id = graph.addValue(Value(name: "x", type: type))
    let output = graph.addValue(Value(name: "y"))
    graph.inputs = [id]
    graph.outputs = [output]
    graph.nodes = [Node(name: "n", op: ml(op), inputs: [id], outputs: [output], attributes: attributes)]
    let program = try Program.compile(Model(graph: graph, irVersion: 10, opsets: ["": 21, "ai.onnx.ml": 3]))
    return try Session(program, team: ThreadTeam(threads: 1)).run(values: [input])[0]
  }

  @Test func zipMapGivesMapsByAscendingKey() throws {
    let program = try Self.zipMap(mapsAsTensors: false)
    #expect(!program.outputs[0].isTensor)
    let keys = try Tensor(shape: [3], strings: ["a", "b", "c"])
    let result = try Session(program, team: ThreadTeam(threads: 1)).run(values: [.tensor(Self.scores)])
    #expect(
      result == [
        .sequence([
          .map(keys: keys, values: floats([3], [0.7, 0.1, 0.2])),
          .map(keys: keys, values: floats([3], [0.2, 0.5, 0.3])),
        ])
      ])
  }

  @Test func mapsLeaveAsScoresOnRequest() throws {
    let program = try Self.zipMap(mapsAsTensors: true)
    #expect(program.outputs[0].isTensor)
    #expect(program.outputs[0].labels == .strings(["b", "c", "a"]))
    let result = try Session(program, team: ThreadTeam(threads: 1)).run([Self.scores])
    #expect(result == [Self.scores])
  }

  @Test func dictVectorizer() throws {
    let map = RuntimeValue.map(
      keys: try Tensor(shape: [2], strings: ["a", "c"]), values: floats([2], [1, 3]))
    let type = ValueType.map(key: .string, value: .tensor(TensorType(.float32, nil)))
    let result = try Self.run(
      "DictVectorizer", map, type, ["string_vocabulary": .strings(["c", "b", "a"])])
    #expect(result == .tensor(floats([1, 3], [3, 0, 1])))
    #expect(throws: EngineError.self) {
      try Self.run("DictVectorizer", map, type, ["int64_vocabulary": .ints([1])])
    }
  }

  @Test func castMap() throws {
    let map = RuntimeValue.map(keys: ints(0, 3), values: floats([2], [1.5, -2.5]))
    let type = ValueType.map(key: .int64, value: .tensor(TensorType(.float32, nil)))
    #expect(try Self.run("CastMap", map, type, [:]) == .tensor(floats([1, 2], [1.5, -2.5])))
    let sparse: Attributes = [
      "cast_to": .string("TO_INT64"), "map_form": .string("SPARSE"), "max_map": .int(4),
    ]
    #expect(try Self.run("CastMap", map, type, sparse) == .tensor(ints([1, 4], [1, 0, 0, -2])))
    let text: Attributes = ["cast_to": .string("TO_STRING")]
    #expect(
      try Self.run("CastMap", map, type, text)
        == .tensor(try Tensor(shape: [1, 2], strings: ["1.500000", "-2.500000"])))
  }
}
