import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Models of 16-bit floats compute in float32 once they are normalised.
@Suite struct FloatWideningTests {
  private func constant(
    _ name: String, _ shape: Shape, seed: UInt64, _ type: ElementType, _ builder: inout GraphBuilder
  ) throws -> ValueID {
    let floats = try Tensor(shape: shape, TestModels.numbers(shape.elementCount, seed: seed))
    let storage: FloatStorage = type == .float16 ? .fp16 : .bf16
    return builder.constant(name, try storage.code(floats, channelAxis: nil).codes)
  }

  /// `x [batch, 8]` → MatMul → If (one branch adds x) → Cast and back → `y.out [batch, 8]`, all of `type`.
  private func model(_ type: ElementType) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)], type)
    let flag = builder.input("flag", [], .bool)
    let product = builder.node("MatMul", "mm", [x, try constant("w", [8, 8], seed: 1, type, &builder)])
    let chosen = builder.node(
      "If", "chosen", [flag],
      [
        "then_branch": .graph(Self.body("Add", [product, x])),
        "else_branch": .graph(Self.body("Identity", [product])),
      ])
    let wide = builder.node("Cast", "wide", [chosen], ["to": .int(ElementType.float32.onnxNumber)])
    let y = builder.node("Cast", "y", [wide], ["to": .int(type.onnxNumber)])
    let extents: [Dimension] = [.symbol("batch"), .known(8)]
    var model = builder.model(output: y, extents)
    model.graph[y].type = .tensor(TensorType(type, extents))
    return model
  }

  /// One node that reads values from around it.
  private static func body(_ op: OperatorName, _ outer: [ValueID]) -> Graph {
    var body = Graph(name: "branch")
    let inner = outer.map { _ in body.addValue(Value(name: "captured\(body.values.count)")) }
    body.captures = zip(outer, inner).map { Capture(outer: $0, inner: $1) }
    let result = body.addValue(Value(name: "\(op).result"))
    body.nodes = [Node(name: "\(op)", op: op, inputs: inner, outputs: [result])]
    body.outputs = [result]
    return body
  }

  @Test(arguments: [ElementType.float16, .bfloat16], [false, true])
  func outputsStay(type: ElementType, flag: Bool) throws {
    let model = try model(type)
    #expect(FloatWidening.isNeeded(model))
    let wide = try Normalizer.normalized(model)
    #expect(!FloatWidening.isNeeded(wide))
    #expect(LayerScan(wide).layers.map(\.weights.type) == [.float32])
    #expect(wide.graph.inputs.map { wide.graph[$0].type?.tensor?.element } == [type, .bool])
    #expect(wide.graph.outputs.map { wide.graph[$0].name } == ["y.out"])
    let floats = try Tensor(shape: [3, 8], TestModels.numbers(24, seed: 2))
    let storage: FloatStorage = type == .float16 ? .fp16 : .bf16
    let x = try storage.code(floats, channelAxis: nil).codes
    let results = try [model, wide].map { model in
      let session = Session(try Program.compile(model), team: ThreadTeam(threads: 1))
      return try session.run([x, Tensor(scalar: flag)])[0]
    }
    #expect(results.map(\.type) == [type, type])
    let (before, after) = (try FloatStorage.numbers(results[0]), try FloatStorage.numbers(results[1]))
    // Sums of eight products near one: float16 has ten bits behind the point, bfloat16 seven.
    let bound: Float = type == .float16 ? 0.01 : 0.08
    #expect(zip(before, after).allSatisfy { abs($0 - $1) <= bound })
  }

  /// An input that may be left out keeps its default, of the type that callers give.
  @Test func defaultsOfInputsStay() throws {
    var model = try model(.float16)
    let shift = model.graph.addValue(
      Value(name: "shift", constant: try Tensor(shape: [8], [Float16](repeating: 2, count: 8))))
    let sum = model.graph.addValue(Value(name: "shifted", type: model.graph[model.graph.outputs[0]].type))
    model.graph.inputs.append(shift)
    model.graph.nodes.append(
      Node(name: "shift", op: "Add", inputs: [model.graph.outputs[0], shift], outputs: [sum]))
    model.graph.outputs = [sum]
    let wide = try Normalizer.normalized(model)
    let input = try #require(wide.graph.inputs.first { wide.graph[$0].name == "shift" })
    #expect(wide.graph[input].constant?.type == .float16)
    #expect(wide.graph[input].type?.tensor?.element == .float16)
    #expect(!FloatWidening.isNeeded(wide))
    let loaded = try Model.load(bytes: wide.serialized())
    #expect(throws: Never.self) { try Program.compile(loaded) }
  }

  /// Weights that are only stored in 16 bits are folded, without a change of anything's type.
  @Test func storedHalvesNeedNothing() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let stored = try constant("w", [8, 4], seed: 1, .float16, &builder)
    let weight = builder.node("Cast", "wide", [stored], ["to": .int(1)])
    let y = builder.node("MatMul", "mm", [x, weight])
    #expect(!FloatWidening.isNeeded(builder.model(output: y, [.symbol("batch"), .known(4)])))
  }
}
