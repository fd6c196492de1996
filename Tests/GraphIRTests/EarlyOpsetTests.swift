import Tensors
import Testing

@testable import GraphIR

struct EarlyOpsetTests {
  private func raise(
    _ op: OperatorName, _ attributes: Attributes, from: Int, _ types: [String] = ["f32[2,3,4,5]"]
  ) throws -> Graph {
    var builder = GraphBuilder()
    let names = types.indices.map { "x\($0)" }
    for (name, type) in zip(names, types) { try builder.input(name, type) }
    builder.node(op, names, ["y"], attributes)
    builder.output("y")
    return try builder.model(opset: from, irVersion: 3).raised(to: 7).graph
  }

  @Test func namedBroadcastAxisBecomesTrailingExtents() throws {
    for op in ["Add", "Mul", "And"] {
      let graph = try raise(
        OperatorName(type: op), ["broadcast": .int(1), "axis": .int(1)], from: 6, ["f32[2,3,4,5]", "f32[3]"])
      #expect(graph.nodes.map(\.op.type) == ["Unsqueeze", op])
      #expect(graph.constant(graph.nodes[0].inputs[1]) == (try Tensor(shape: [2], [1, 2])))
      #expect(graph.nodes[1].attributes.entries.isEmpty)
    }
    let unknown = try raise(
      "Add", ["broadcast": .int(1), "axis": .int(1)], from: 6, ["f32", "f32[3]"])
    #expect(unknown.nodes.dropLast().last?.op == "Reshape")
    let plain = try raise("Add", ["broadcast": .int(1)], from: 6, ["f32[2,3]", "f32[3]"])
    #expect(plain.nodes.map(\.op.type) == ["Add"])
  }

  @Test func attributesFollow() throws {
    #expect(try raise("Cast", ["to": .string("INT64")], from: 5).nodes[0].attributes.int("to") == 7)
    #expect(try raise("Concat", [:], from: 3).nodes[0].attributes.int("axis") == 1)
    #expect(try raise("Selu", [:], from: 5).nodes[0].attributes.float("alpha") == 1.6732)
    #expect(try raise("Relu", ["consumed_inputs": .ints([0])], from: 1).nodes[0].attributes.entries.isEmpty)
    #expect(try raise("LpPool", ["p": .float(2)], from: 1).nodes[0].attributes.int("p") == 2)
    #expect(
      try raise("Pad", ["paddings": .ints([0, 1])], from: 1).nodes[0].attributes.ints("pads") == [0, 1])
    #expect(try raise("Dropout", ["is_test": .int(1)], from: 6).nodes[0].attributes.entries.isEmpty)
  }

  @Test func whatHasNoEqualIsRefused() throws {
    #expect(throws: GraphError.self) { try raise("BatchNormalization", ["is_test": .int(0)], from: 6) }
    #expect(throws: GraphError.self) { try raise("Cast", ["to": .string("QUAD")], from: 1) }
    #expect(throws: GraphError.self) { try raise("LpPool", ["p": .float(1.5)], from: 1) }
  }
}
