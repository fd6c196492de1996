import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct MultilayerPerceptronTests {
  /// x[N,2] -> MatMul W[2,3] -> Add b[3] -> Relu -> y
  static func model() throws -> Model {
    var graph = Graph(name: "mlp")
    let x = graph.addValue(Value(name: "x", type: .tensor(TensorType(.float32, [.symbol("N"), .known(2)]))))
    let w = graph.addValue(
      Value(name: "w", constant: try Tensor(shape: [2, 3], [1, 2, 3, 4, 5, 6] as [Float])))
    let b = graph.addValue(Value(name: "b", constant: try Tensor(shape: [3], [0.5, -100, 0] as [Float])))
    let p = graph.addValue(Value(name: "p"))
    let s = graph.addValue(Value(name: "s"))
    let y = graph.addValue(Value(name: "y"))
    graph.nodes = [
      Node(name: "m", op: "MatMul", inputs: [x, w], outputs: [p]),
      Node(name: "a", op: "Add", inputs: [p, b], outputs: [s]),
      Node(name: "r", op: "Relu", inputs: [s], outputs: [y]),
    ]
    graph.inputs = [x]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 10, opsets: ["": 21])
  }

  @Test(arguments: [1, 2]) func computesRows(threads: Int) throws {
    let session = Session(try Program.compile(try Self.model()), team: ThreadTeam(threads: threads))
    let output = try session.run([try Tensor(shape: [2, 2], [1, 0, -1, 1] as [Float])])
    #expect(output[0].shape == [2, 3])
    #expect(output[0].array(of: Float.self) == [1.5, 0, 3, 3.5, 0, 3])
  }

  @Test func namesWrongShape() throws {
    let session = Session(try Program.compile(try Self.model()), team: ThreadTeam(threads: 1))
    #expect(throws: EngineError.inputShape(name: "x", expected: "[N,2]", actual: "[1,3]")) {
      try session.run([try Tensor(shape: [1, 3], [1, 2, 3] as [Float])])
    }
  }
}
