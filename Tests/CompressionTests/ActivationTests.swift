import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Where activations are quantized, and in which form.
@Suite struct ActivationTests {
  private func apply(
    _ steps: [QuantizeStep], to model: Model, _ calibration: Dataset? = nil
  ) throws -> (model: Model, layers: [LayerReport]) {
    var result = model
    var ledger = LayerLedger(model)
    let context = StepContext(
      path: "steps[0]", calibration: calibration, others: [:], resources: TestModels.resources(),
      memory: 256 << 20)
    let pass = QuantizationPass(steps: steps.enumerated().map { ($1, "steps[\($0)].quantize") })
    try pass.apply(to: &result, &ledger, context)
    ledger.endStep()
    return (result, ledger.reports { _, _ in })
  }

  private func step(
    _ activations: QuantizeStep.Activations, _ change: (inout QuantizeStep) -> Void = { _ in }
  ) -> QuantizeStep {
    var step = QuantizeStep(activations: activations)
    change(&step)
    return step
  }

  private func sqnr(_ before: Model, _ after: Model, _ x: Tensor) throws -> Double {
    var error = SignalError()
    error.add(try TestModels.run(before, x), try TestModels.run(after, x))
    return error.decibels
  }

  // MARK: Rows

  private static let rowSequence = [
    "Abs", "ReduceMax", "Mul", "Max", "Div", "Round", "Add", "Clip", "Cast", "MatMulInteger", "Cast", "Mul",
    "Mul",
  ]

  @Test func rowsAreQuantizedByThemselves() throws {
    let model = try TestModels.matMulAdd()
    let rows = step(.dynamic) { $0.activationScale = .row }
    let (result, layers) = try apply([rows], to: model)
    #expect(result.graph.nodes.map(\.op.type) == Self.rowSequence + ["Add"])
    #expect(layers[0].methods == ["int8 dynamic rows"])
    var values = TestModels.numbers(4 * 8, seed: 3)
    // One row of zeros, one a thousand times larger than the others.
    for index in 0..<8 {
      values[index] = 0
      values[8 + index] *= 1000
    }
    let batch = try TestModels.run(result, Tensor(shape: [4, 8], values)).array(of: Float.self)
    let exact = try TestModels.run(model, Tensor(shape: [4, 8], values)).array(of: Float.self)
    for row in 0..<4 {
      let alone = try TestModels.run(
        result, Tensor(shape: [1, 8], Array(values[row * 8..<row * 8 + 8]))
      ).array(of: Float.self)
      #expect(alone == Array(batch[row * 4..<row * 4 + 4]))
      let largest = values[row * 8..<row * 8 + 8].map(abs).max() ?? 0
      for column in 0..<4 {
        #expect(abs(alone[column] - exact[row * 4 + column]) <= 0.05 * largest + 1e-6)
      }
    }
  }

  @Test func rowsFollowTheOpset() throws {
    for (opset, inputs) in [(17, 1), (18, 2)] {
      var model = try TestModels.mlp(isTransposed: true, alpha: 0.5, beta: 2)
      model.opsets[""] = opset
      let result = try apply([step(.dynamic) { $0.activationScale = .row }], to: model).model
      let reductions = result.graph.nodes.filter { $0.op == "ReduceMax" }
      #expect(reductions.map(\.inputs.count) == [inputs, inputs])
      let x = try Tensor(shape: [64, 8], TestModels.numbers(64 * 8, seed: 42))
      #expect(try sqnr(model, result, x) > 30)
    }
  }

  @Test func aConvolutionHasNoRows() throws {
    let rows = step(.dynamic) { $0.activationScale = .row }
    let (result, layers) = try apply([rows, step(.none)], to: try TestModels.cnn())
    #expect(layers.map(\.methods) == [["int8 weights"], ["int8 dynamic rows"]])
    #expect(layers.flatMap(\.noOp).isEmpty)
    #expect(result.graph.nodes.contains { $0.op == "Conv" })
  }

  // MARK: Several steps

  @Test func theFirstStepThatSelectsALayerTakesIt() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 64, inner: [8])
    let first = step(.static) { $0.selection.layers = ["fc1"] }
    let (result, layers) = try apply([first, step(.none)], to: model, data)
    #expect(layers.map(\.methods) == [["int8 static"], ["int8 weights"]])
    #expect(result.graph.nodes.filter { $0.op == "QuantizeLinear" }.count == 1)
    let second = try apply([first], to: model, data)
    #expect(second.layers[1].noOp == ["not among the layers that the recipe names"])
    #expect(throws: CompressionError.self) { try apply([step(.none), step(.static)], to: model) }
  }

  // MARK: Types

  @Test(arguments: QuantizeStep.ActivationType.allCases)
  func typesOfActivations(type: QuantizeStep.ActivationType) throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 64, inner: [2, 6, 6])
    let (result, _) = try apply([step(.static) { $0.activationType = type }], to: model, data)
    #expect(result.opsets[""] == (type.is16Bit ? 21 : 17))
    for node in result.graph.nodes where node.op == "QuantizeLinear" {
      let zeroPoint = try #require(result.graph.constant(node.inputs[2]))
      #expect(zeroPoint.type == type.element)
      if type == .int8 || type == .int16 { #expect(zeroPoint.withBytes { $0.allSatisfy { $0 == 0 } }) }
    }
    let x = try Tensor(shape: [64, 2, 6, 6], TestModels.numbers(64 * 72, seed: 42))
    #expect(try sqnr(model, result, x) > 28)
  }

  @Test func signedTypesAreSymmetric() {
    let range = ValueRange(low: -2, high: 1)
    #expect(ActivationParameters(range, .int8).scale == Float(2) / 127)
    #expect(ActivationParameters(range, .int8).zeroPoint == 0)
    #expect(ActivationParameters(range, .int16).scale == Float(2) / 32_767)
    #expect(ActivationParameters(range, .uint16).zeroPoint == 43_690)
  }

  // MARK: Placement

  /// Two convolutions of x, joined by `join`, then a third one.
  private func joined(
    width: Int = 4, _ join: (inout GraphBuilder, ValueID, ValueID) -> ValueID
  ) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(5), .known(5)])
    let a = builder.node("Conv", "a", [x, try builder.constant("wa", [4, 2, 1, 1], seed: 1)])
    let b = builder.node("Conv", "b", [x, try builder.constant("wb", [4, 2, 1, 1], seed: 2)])
    let sum = join(&builder, a, b)
    let y = builder.node("Conv", "c", [sum, try builder.constant("wc", [3, width, 1, 1], seed: 3)])
    return builder.model(output: y, [.symbol("batch"), .known(3), .known(5), .known(5)])
  }

  private func samples() throws -> Dataset {
    try Dataset([("x", try Tensor(shape: [16, 2, 5, 5], TestModels.numbers(16 * 50, seed: 99)))])
  }

  private func readsDequantized(_ op: OperatorName, in model: Model) -> Bool {
    let index = GraphIndex(model.graph)
    let nodes = model.graph.nodes.filter { $0.op == op }
    return !nodes.isEmpty
      && nodes.allSatisfy { node in
        node.inputs.allSatisfy { input in
          guard let producer = index.producers[input] else { return false }
          return model.graph.nodes[producer].op == "DequantizeLinear"
        }
      }
  }

  @Test func whatJoinsIntegersReadsIntegers() throws {
    let models: [(OperatorName, Model)] = [
      ("Add", try joined { $0.node("Relu", "relu", [$0.node("Add", "sum", [$1, $2])]) }),
      ("Concat", try joined(width: 8) { $0.node("Concat", "cat", [$1, $2], ["axis": .int(1)]) }),
      (
        "Mul",
        try joined { builder, a, _ in builder.node("Mul", "silu", [a, builder.node("Sigmoid", "s", [a])]) }
      ),
    ]
    for (op, model) in models {
      let data = try samples()
      let result = try apply([step(.static)], to: model, data).model
      #expect(readsDequantized(op, in: result), "\(op)")
      let x = try Tensor(shape: [64, 2, 5, 5], TestModels.numbers(64 * 50, seed: 42))
      #expect(try sqnr(model, result, x) > 28, "\(op)")
    }
  }

  @Test func aSumWithAFloatTensorStaysFloat() throws {
    let model = try joined { $0.node("Add", "sum", [$1, $0.node("Exp", "exp", [$2])]) }
    let data = try samples()
    let result = try apply([step(.static)], to: model, data).model
    #expect(!readsDequantized("Add", in: result))
  }

  // MARK: A hard swish between convolutions

  private func swishing() throws -> (model: Model, data: Dataset) {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(5), .known(5)])
    let a = builder.node("Conv", "a", [x, try builder.constant("wa", [4, 2, 1, 1], seed: 1)])
    let swish = builder.node("HardSwish", "swish", [a])
    let y = builder.node("Conv", "c", [swish, try builder.constant("wc", [3, 4, 1, 1], seed: 3)])
    let model = builder.model(output: y, [.symbol("batch"), .known(3), .known(5), .known(5)], opset: 14)
    // Far below −3 on one side, so that most of the range makes no difference.
    let values = TestModels.numbers(16 * 50, seed: 42).map { $0 * 20 }
    return (model, try Dataset([("x", try Tensor(shape: [16, 2, 5, 5], values))]))
  }

  @Test func whatAHardSwishMakesZeroTakesNoLevels() throws {
    let (model, data) = try swishing()
    let graph = try apply([step(.static)], to: model, data).model.graph
    let quantize = try #require(
      graph.nodes.first { $0.op == "QuantizeLinear" && graph[$0.inputs[0]].name == "a.out" })
    let scale = try #require(graph.constant(quantize.inputs[1])).array(of: Float.self)[0]
    let zeroPoint = try #require(graph.constant(quantize.inputs[2])).array(of: UInt8.self)[0]
    // The lowest code stands for no more than −3.
    #expect((3...3 + 2 * scale).contains(scale * Float(zeroPoint)))
  }

  /// With `activation_outputs` float a function behind a convolution gets the float result, and one rounding is left.
  @Test func outputsCanStayFloat() throws {
    let (model, data) = try swishing()
    func rounded(_ outputs: QuantizeStep.ActivationOutputs) throws -> Set<String> {
      let graph = try apply([step(.static) { $0.activationOutputs = outputs }], to: model, data).model.graph
      return Set(graph.nodes.filter { $0.op == "QuantizeLinear" }.map { graph[$0.inputs[0]].name })
    }
    #expect(try rounded(.float) == ["x", "swish.out"])
    #expect(try rounded(.quantized).isSuperset(of: ["x", "a.out", "swish.out"]))
  }

  // MARK: Normalisation

  @Test func spelledHardSwishIsOneActivation() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(5), .known(5)])
    let a = builder.node("Conv", "a", [x, try builder.constant("w", [4, 2, 1, 1], seed: 1)])
    func number(_ name: String, _ value: Float) throws -> ValueID {
      builder.constant(name, try Tensor(scalar: value))
    }
    let shifted = builder.node("Add", "shift", [a, try number("three", 3)])
    let clipped = builder.node("Clip", "clip", [shifted, try number("low", 0), try number("high", 6)])
    let product = builder.node("Mul", "product", [a, clipped])
    let swish = builder.node("Div", "sixth", [product, try number("six", 6)])
    let y = builder.node("Conv", "c", [swish, try builder.constant("wc", [3, 4, 1, 1], seed: 3)])
    let model = builder.model(
      output: y, [.symbol("batch"), .known(3), .known(5), .known(5)], opset: 13)
    let normalized = try Normalizer.normalized(model)
    #expect(normalized.graph.nodes.map(\.op.type) == ["Conv", "HardSwish", "Conv"])
    #expect(normalized.opsets[""] == 14)
    let sample = try Tensor(shape: [8, 2, 5, 5], TestModels.numbers(8 * 50, seed: 42))
    #expect(try sqnr(model, normalized, sample) > 120)
  }
}
