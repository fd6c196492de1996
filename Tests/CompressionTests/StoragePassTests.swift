import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Packed constants: smaller files that compute the same, bit by bit.
@Suite struct StoragePassTests {
  private static let extents = [127, 129]

  /// `x [batch, 127]` → MatMul → `y [batch, 129]`, an odd number of weights.
  private func model(_ weights: Tensor) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(127)])
    let y = builder.node("MatMul", "mm", [x, builder.constant("w", weights)])
    return builder.model(output: y, [.symbol("batch"), .known(129)])
  }

  private func weights(_ value: (Int, Float) -> Float) throws -> Tensor {
    let numbers = TestModels.numbers(127 * 129, seed: 11)
    return try Tensor(shape: Shape(Self.extents), numbers.indices.map { value($0, numbers[$0]) })
  }

  private func input() throws -> Tensor {
    try Tensor(shape: [3, 127], TestModels.numbers(3 * 127, seed: 12))
  }

  private func pack(_ model: Model) throws -> (model: Model, ledger: LayerLedger) {
    var (result, ledger) = (model, LayerLedger(model))
    try StoragePass.apply(to: &result, &ledger)
    return (result, ledger)
  }

  /// Equal answers, a smaller file, and the same constants once a later compression normalises the file.
  private func check(_ model: Model, operators: [String], opset: Int, within bytes: Int) throws {
    let (packed, ledger) = try pack(model)
    #expect(packed.graph.nodes.map(\.op.type) == operators + model.graph.nodes.map(\.op.type))
    #expect(packed.opsets[""] == max(opset, 17))
    #expect(ledger.notes.count == 1)
    let file = try packed.serialized()
    #expect(file.count <= bytes)
    let loaded = try Model.load(bytes: file)
    let (expected, actual) = (try TestModels.run(model, input()), try TestModels.run(loaded, input()))
    #expect(expected == actual)
    let plain = try Normalizer.normalized(loaded)
    #expect(plain.graph.nodes.map(\.op.type) == model.graph.nodes.map(\.op.type))
    let before = try #require(LayerScan(model).layers.first),
      after = try #require(LayerScan(plain).layers.first)
    let isEqual = before.weights == after.weights
    #expect(isEqual)
  }

  @Test func zerosBecomeABitmask() throws {
    let operators = [
      "BitShift", "BitwiseAnd", "Reshape", "Slice", "Cast", "CumSum", "Mul", "Gather", "Reshape",
    ]
    let pruned = try model(weights { $0 % 10 == 0 ? $1 : 0 })
    try check(pruned, operators: operators, opset: 18, within: 127 * 129 / 8 + 127 * 129 * 4 / 10 + 1500)
  }

  @Test(arguments: [(16, 21), (200, 17)])
  func fewDistinctElementsBecomeATable(levels: Int, opset: Int) throws {
    let shared = try model(weights { index, _ in Float(index * 7 % levels) - 3.5 })
    let codes = levels <= 16 ? 127 * 129 / 2 : 127 * 129
    try check(shared, operators: ["Cast", "Gather"], opset: opset, within: codes + 4 * levels + 500)
  }

  @Test func whatFloat16HoldsIsStoredInIt() throws {
    let halves = try model(weights { Float(Float16($1)) })
    try check(halves, operators: ["Cast"], opset: 17, within: 127 * 129 * 2 + 500)
  }

  @Test func codesOfQuantizedWeightsArePackedToo() throws {
    let pruned = try model(weights { $0 % 10 == 0 ? $1 : 0 })
    var (quantized, ledger) = (pruned, LayerLedger(pruned))
    let context = StepContext(
      path: "steps[0]", calibration: nil, others: [:], resources: TestModels.resources(), memory: 1 << 20)
    let step = QuantizeStep(activations: QuantizeStep.Activations.none)
    try QuantizationPass(steps: [(step, "steps[0]")]).apply(to: &quantized, &ledger, context)
    let (packed, _) = try pack(quantized)
    #expect(packed.graph.nodes.contains { $0.op == "CumSum" })
    #expect(try TestModels.run(packed, input()) == TestModels.run(quantized, input()))
    #expect(try packed.serialized().count < quantized.serialized().count - 4096)
  }

  @Test func whatSavesLittleStaysPlain() throws {
    let dense = try model(weights { $1 })
    let (packed, ledger) = try pack(dense)
    #expect(packed.graph.nodes.count == 1 && packed.opsets[""] == 17)
    #expect(ledger.notes.isEmpty)
    let small = try pack(try TestModels.mlp()).model
    #expect(small.graph.nodes.count == 3)
  }
}
