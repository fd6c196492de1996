import Engine
import Foundation
import GraphIR
import Tensors
import Testing

@testable import Serving

@Suite(.serialized) struct MemoryTests {
  private static let width = 64

  /// y[batch, width] = x[batch, width] · W.
  private func wide() throws -> Model {
    var graph = Graph(name: "wide")
    let x = graph.addValue(TestModels.value("x", .float32, [.symbol("batch"), .known(Self.width)]))
    let w = graph.addValue(
      Value(name: "w", constant: try Tensor(type: .float32, shape: [Self.width, Self.width])))
    let y = graph.addValue(TestModels.value("y", .float32, [.symbol("batch"), .known(Self.width)]))
    graph.nodes = [Node(name: "product", op: "MatMul", inputs: [x, w], outputs: [y])]
    graph.inputs = [x]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 10, opsets: ["": 21])
  }

  /// What an unloaded model holds goes with it; how much memory that is, Tests/EndToEnd/test_memory.py measures.
  @Test func nothingHoldsAnUnloadedModel() throws {
    let rig = CoreRig()
    let core = try rig.started()
    _ = try CoreRig.upload(core, "wide", try wide().serialized())
    for round in 0..<3 {
      let answers = Answers()
      weak let servable = try core.repository.servable("wide")
      try core.repository.servable("wide").submit(
        InferenceRequest(
          inputs: [try Tensor(type: .float32, shape: [4, Self.width])], outputs: [0],
          completion: answers.completion(round)))
      #expect(answers.wait(for: 1)[round]?.floats?.count == 4 * Self.width)
      try core.repository.unload("wide")
      #expect(eventually { servable == nil })
      if round < 2 { try core.repository.load("wide") }
    }
    core.stop()
  }
}
