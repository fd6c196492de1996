import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Bodies whose weights lie in the graphs around them.
@Suite struct BodyConstantsTests {
  /// `x [batch, 32]` → If → `y [batch, 32]`: one branch multiplies with the transposed weight of the outer graph, the other
  /// does so inside a second If.
  private func model() throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(32)])
    let flag = builder.input("flag", [], .bool)
    let weight = try builder.constant("w", [32, 32], seed: 1)
    let outer = [x, flag, weight]
    let y = builder.node(
      "If", "choice", [flag],
      ["then_branch": .graph(Self.product(outer)), "else_branch": .graph(Self.nested(outer))])
    return builder.model(output: y, [.symbol("batch"), .known(32)])
  }

  private static func product(_ outer: [ValueID]) -> Graph {
    var body = Graph(name: "product")
    let inner = capture(outer, &body)
    let turned = body.addValue(Value(name: "turned"))
    let result = body.addValue(Value(name: "product"))
    body.nodes = [
      Node(
        name: "turn", op: "Transpose", inputs: [inner[2]], outputs: [turned],
        attributes: ["perm": .ints([1, 0])]),
      Node(name: "product", op: "MatMul", inputs: [inner[0], turned], outputs: [result]),
    ]
    body.outputs = [result]
    return body
  }

  private static func nested(_ outer: [ValueID]) -> Graph {
    var body = Graph(name: "nested")
    let inner = capture(outer, &body)
    let result = body.addValue(Value(name: "chosen"))
    var same = Graph(name: "same")
    let captured = capture([inner[0]], &same)
    let copy = same.addValue(Value(name: "copy"))
    same.nodes = [Node(name: "copy", op: "Identity", inputs: captured, outputs: [copy])]
    same.outputs = [copy]
    body.nodes = [
      Node(
        name: "inner", op: "If", inputs: [inner[1]], outputs: [result],
        attributes: ["then_branch": .graph(same), "else_branch": .graph(product(inner))])
    ]
    body.outputs = [result]
    return body
  }

  private static func capture(_ outer: [ValueID], _ body: inout Graph) -> [ValueID] {
    let inner = outer.map { _ in body.addValue(Value(name: "captured\(body.values.count)")) }
    body.captures = zip(outer, inner).map { Capture(outer: $0, inner: $1) }
    return inner
  }

  private func run(_ model: Model, _ flag: Bool) throws -> Tensor {
    let x = try Tensor(shape: [3, 32], TestModels.numbers(96, seed: 2))
    let session = Session(try Program.compile(model), team: ThreadTeam(threads: 1))
    return try session.run([x, Tensor(scalar: flag)])[0]
  }

  @Test func weightsAreFoundWhereTheyAreRead() throws {
    #expect(LayerScan(try model()).all.isEmpty)
    let normal = try Normalizer.normalized(model())
    #expect(LayerScan(normal).all.map(\.op) == ["MatMul", "MatMul"])
    for flag in [false, true] { #expect(try run(model(), flag) == run(normal, flag)) }
  }

  /// But for codes that onnxruntime wants beside the product.
  @Test(arguments: [(QuantizeStep.Weights.fp16, 2048..<4096), (.int8, 3500..<4500)])
  func theFileHoldsThemOnce(weights: QuantizeStep.Weights, bytes: Range<Int>) throws {
    let normal = try Normalizer.normalized(model())
    let resources = TestModels.resources()
    let samples = try RunSamples(
      CompressionInput(model: normal, fileBytes: 0, sourceSHA256: "", recipe: Recipe(steps: [])), nil,
      try ModelRunner(normal, resources))
    let runner = StepRunner(
      calibration: nil, others: [:], samples: samples, resources: resources, memory: 1 << 20,
      place: { "steps[\($0)]" })
    var step = QuantizeStep(activations: QuantizeStep.Activations.none)
    step.weights = weights
    let (result, ledger) = try runner.apply([.quantize(step)], to: normal) { _ in }
    #expect(ledger.reports { _, _ in }.allSatisfy { $0.methods == ["\(weights.rawValue) weights"] })
    // 1,024 elements, and what the graphs take.
    let size = try result.serialized().count
    #expect(bytes.contains(size))
    let loaded = try Model.load(bytes: result.serialized())
    for flag in [false, true] {
      var error = SignalError()
      error.add(try run(normal, flag), try run(loaded, flag))
      #expect(error.decibels > 35)
    }
  }
}
