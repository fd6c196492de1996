import GraphIR
import Tensors
import Testing

@testable import Engine

/// Elements of less than a byte are moved as they are.
@Suite struct PackedMovementTests {
  private func packed(_ type: ElementType, _ shape: Shape, _ codes: [UInt8]) throws -> Tensor {
    try Tensor(packing: codes, type: type, shape: shape)
  }

  @Test(arguments: [ElementType.int4, .uint4, .float4e2m1, .int2, .uint2]) func moves(_ type: ElementType)
    throws
  {
    let mask: UInt8 = type.bitWidth == 4 ? 15 : 3
    func make(_ shape: Shape, _ codes: [UInt8]) throws -> Tensor {
      try packed(type, shape, codes.map { $0 & mask })
    }
    let x = try make([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(
      try OperatorRunner.run("Transpose", [x]) == [make([3, 3], [1, 4, 7, 2, 5, 8, 3, 6, 9])])
    #expect(
      try OperatorRunner.run("Concat", [x, x], ["axis": .int(1)])
        == [make([3, 6], [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 7, 8, 9])])
    let padded = try OperatorRunner.run("Pad", [x, ints(0, 1, 0, 0), try make([], [2])], constants: [1])
    #expect(padded == [try make([3, 4], [2, 1, 2, 3, 2, 4, 5, 6, 2, 7, 8, 9])])
    #expect(
      try OperatorRunner.run("Gather", [x, ints(2, 0)], constants: [1]) == [
        make([2, 3], [7, 8, 9, 1, 2, 3])
      ])
    let filled = try OperatorRunner.run(
      "ConstantOfShape", [ints(3)], ["value": .tensor(try make([1], [3]))], constants: [0])
    #expect(filled == [try make([3], [3, 3, 3])])
    #expect(try TensorPieces.slice(x, axis: 1, 1..<2) == make([3, 1], [2, 5, 8]))
    let row = try make([3], [1, 2, 3])
    #expect(try TensorPieces.stack([row, row], axis: 1, limit: 100) == make([3, 2], [1, 1, 2, 2, 3, 3]))
  }

  @Test func optionalInputsAreChecked() throws {
    var graph = Graph(name: "optional")
    let type = ValueType.optional(.tensor(TensorType(.float32, [.known(2)])))
    let input = graph.addValue(Value(name: "x", type: type))
    let output = graph.addValue(Value(name: "y"))
    graph.inputs = [input]
    graph.outputs = [output]
    graph.nodes = [Node(name: "n", op: "OptionalHasElement", inputs: [input], outputs: [output])]
    let model = Model(graph: graph, irVersion: 10, opsets: ["": Model.opsetVersions.upperBound])
    let session = Session(try Program.compile(model), team: ThreadTeam(threads: 1))
    #expect(try session.run(values: [.optional(nil)]) == [.tensor(try Tensor(scalar: false))])
    #expect(
      try session.run(values: [.optional(.tensor(floats([2], [1, 2])))]) == [
        .tensor(try Tensor(scalar: true))
      ])
    #expect(throws: EngineError.inputShape(name: "x", expected: "[2]", actual: "[3]")) {
      try session.run(values: [.optional(.tensor(floats([3], [1, 2, 3])))])
    }
  }
}
