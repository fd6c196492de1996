import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Layers as QLinearConv, QLinearMatMul and QGemm.
@Suite struct QOperatorFormTests {
  private func apply(
    _ format: QuantizeStep.Format, to model: Model, inner: [Int],
    _ change: (inout QuantizeStep) -> Void = { _ in }
  ) throws -> (model: Model, layers: [LayerReport]) {
    try apply(format, to: model, TestModels.dataset(for: model, rows: 64, inner: inner), change)
  }

  private func apply(
    _ format: QuantizeStep.Format, to model: Model, _ calibration: Dataset,
    _ change: (inout QuantizeStep) -> Void = { _ in }
  ) throws -> (model: Model, layers: [LayerReport]) {
    var step = QuantizeStep(activations: .static)
    step.format = format
    change(&step)
    var result = model
    var ledger = LayerLedger(model)
    let context = StepContext(
      path: "steps[0]", calibration: calibration, others: [:], resources: TestModels.resources(),
      memory: 256 << 20)
    try Recipe.Step.quantize(step).method(path: "steps[0]").apply(to: &result, &ledger, context)
    ledger.endStep()
    return (result, ledger.reports { _, _ in })
  }

  private func operators(_ model: Model) -> [String] { model.graph.nodes.map(\.op.description) }

  /// Both forms round at the same places.
  private func agrees(_ model: Model, _ other: Model, inner: [Int]) throws -> Bool {
    let x = try Tensor(
      shape: Shape([32] + inner), TestModels.numbers(32 * inner.reduce(1, *), seed: 42))
    var error = SignalError()
    error.add(try TestModels.run(model, x), try TestModels.run(other, x))
    return error.decibels > 60
  }

  @Test(arguments: [false, true])
  func productsWithBiases(isTransposed: Bool) throws {
    let model = try TestModels.mlp(isTransposed: isTransposed)
    let (result, layers) = try apply(.qoperator, to: model, inner: [8])
    #expect(operators(result) == ["QuantizeLinear", "com.microsoft.QGemm", "com.microsoft.QGemm"])
    #expect(result.opsets["com.microsoft"] == 1)
    #expect(
      layers.map(\.methods) == [
        ["int8 static", "com.microsoft.QGemm"], ["int8 static", "com.microsoft.QGemm"],
      ])
    #expect(try agrees(result, apply(.qdq, to: model, inner: [8]).model, inner: [8]))
  }

  @Test func convolutionsTakeTheirReluIn() throws {
    let model = try TestModels.cnn()
    let (result, layers) = try apply(.qoperator, to: model, inner: [2, 6, 6])
    let names = operators(result)
    #expect(names.prefix(2) == ["QuantizeLinear", "QLinearConv"])
    #expect(names.last == "com.microsoft.QGemm")
    #expect(!names.contains("Conv") && !names.contains("Relu"))
    #expect(layers[0].methods == ["int8 static", "QLinearConv"])
    #expect(try agrees(result, apply(.qdq, to: model, inner: [2, 6, 6]).model, inner: [2, 6, 6]))
  }

  /// Symmetric codes reach below zero, so that the Relu stays and the convolution with it.
  @Test func whatTheCodesDoNotCutOffStays() throws {
    let model = try TestModels.cnn()
    let (result, layers) = try apply(.qoperator, to: model, inner: [2, 6, 6]) { $0.activationType = .int8 }
    #expect(operators(result).contains("Conv") && operators(result).contains("Relu"))
    #expect(
      layers[0].methods == [
        "int8 static int8", "stays QDQ: its result is not quantized, or read before it is",
      ])
  }

  @Test(arguments: [
    (Float(0), Float(6), "QLinearConv"), (0.5, 6, "Conv"), (0, 0.01, "QLinearConv"), (-9, 9, "QLinearConv"),
  ])
  func clipsWithinTheRangeGo(low: Float, high: Float, op: String) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(6), .known(6)])
    let kernel = try builder.constant("kernel", [4, 2, 3, 3], seed: 7)
    let conv = builder.node("Conv", "conv", [x, kernel], ["kernel_shape": .ints([3, 3])])
    let bounds = [
      builder.constant("low", try Tensor(scalar: low)), builder.constant("high", try Tensor(scalar: high)),
    ]
    let y = builder.node("Clip", "clip", [conv] + bounds)
    let model = builder.model(output: y, [.symbol("batch"), .known(4), .known(4), .known(4)])
    let rows = try Tensor(shape: [16, 2, 6, 6], TestModels.numbers(16 * 72, seed: 3))
    let result = try apply(.qoperator, to: model, Dataset([("x", rows)])).model
    #expect(operators(result).contains(op))
  }

  /// One product reads the other's integers; the last one's result is read in float.
  @Test func productsWithoutBiases() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let a = builder.node("MatMul", "a", [x, try builder.constant("wa", [8, 6], seed: 1)])
    let b = builder.node("MatMul", "b", [a, try builder.constant("wb", [6, 4], seed: 2)])
    let model = builder.model(output: b, [.symbol("batch"), .known(4)])
    func asItIs(_ step: inout QuantizeStep) {
      step.biasCorrection = false
      step.smooth = .none
    }
    let (result, layers) = try apply(.qoperator, to: model, inner: [8], asItIs)
    #expect(
      operators(result).sorted() == [
        "DequantizeLinear", "DequantizeLinear", "MatMul", "QLinearMatMul", "QuantizeLinear",
      ])
    #expect(layers[0].methods == ["int8 static", "QLinearMatMul"])
    #expect(layers[1].methods.last?.hasPrefix("stays QDQ") == true)
    #expect(
      try agrees(result, apply(.qdq, to: model, inner: [8], asItIs).model, inner: [8]))
  }
}
