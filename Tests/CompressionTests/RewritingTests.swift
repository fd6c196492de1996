import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// The rewritten graphs: their form, and that they compute what they should.
@Suite struct RewritingTests {
  private func operators(_ model: Model) -> [String] { model.graph.nodes.map(\.op.type) }

  /// Applies one step and returns the rewritten model with its layer reports.
  private func apply(
    _ step: Recipe.Step, to model: Model, _ calibration: Dataset? = nil
  ) throws -> (model: Model, layers: [LayerReport]) {
    var result = model
    var ledger = LayerLedger(model)
    let context = StepContext(
      path: "steps[0]", calibration: calibration, others: [:], resources: TestModels.resources(),
      memory: 256 << 20)
    try step.method(path: "steps[0]").apply(to: &result, &ledger, context)
    ledger.endStep()
    return (result, ledger.reports { _, _ in })
  }

  /// In dB, of `after` against `before` on 64 rows.
  private func sqnr(_ before: Model, _ after: Model, inner: [Int]) throws -> Double {
    let count = 64 * inner.reduce(1, *)
    let x = try Tensor(shape: Shape([64] + inner), TestModels.numbers(count, seed: 42))
    var error = SignalError()
    error.add(try TestModels.run(before, x), try TestModels.run(after, x))
    return error.decibels
  }

  private static let perLayer = [
    "DynamicQuantizeLinear", "MatMulInteger", "Cast", "Mul", "Mul", "Add",
  ]

  @Test(arguments: [(false, 1, 1), (true, 1, 1), (false, 0.5, 2), (true, 3, 0.25)])
  func dynamicGemm(isTransposed: Bool, alpha: Float, beta: Float) throws {
    let model = try TestModels.mlp(isTransposed: isTransposed, alpha: alpha, beta: beta)
    let (result, layers) = try apply(.quantize(QuantizeStep(activations: .dynamic)), to: model)
    #expect(operators(result) == Self.perLayer + ["Relu"] + Self.perLayer)
    #expect(layers.map(\.methods) == [["int8 dynamic"], ["int8 dynamic"]])
    #expect(layers.map(\.bytesAfter) == [8 * 16 + 64, 16 * 4 + 16])
    #expect(try sqnr(model, result, inner: [8]) > 30)
    // Weights are stored [K, N], whatever they were.
    let weights = result.graph.values.compactMap(\.constant).filter { $0.type == .int8 }.map(\.shape)
    #expect(weights == [[8, 16], [16, 4]])
  }

  @Test func dynamicSharesTheQuantizedInput() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let a = builder.node("MatMul", "a", [x, try builder.constant("wa", [8, 4], seed: 1)])
    let b = builder.node("MatMul", "b", [x, try builder.constant("wb", [8, 4], seed: 2)])
    let y = builder.node("Add", "sum", [a, b])
    let model = builder.model(output: y, [.symbol("batch"), .known(4)])
    let result = try apply(.quantize(QuantizeStep(activations: .dynamic)), to: model).model
    #expect(operators(result).filter { $0 == "DynamicQuantizeLinear" }.count == 1)
    #expect(try sqnr(model, result, inner: [8]) > 30)
  }

  @Test(arguments: [QuantizeStep.Weights.int8, .uint8], [QuantizeStep.Granularity.channel, .tensor])
  func everyFormOfWeights(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 64, inner: [8])
    for activations in QuantizeStep.Activations.allCases {
      var step = QuantizeStep(activations: activations)
      step.weights = weights
      step.granularity = granularity
      let result = try apply(.quantize(step), to: model, data).model
      #expect(try sqnr(model, result, inner: [8]) > 28, "\(activations)")
    }
  }

  @Test func dynamicLeavesConvolutionsAloneUnlessAsked() throws {
    let model = try TestModels.cnn()
    var step = QuantizeStep(activations: .dynamic)
    let (result, layers) = try apply(.quantize(step), to: model)
    #expect(operators(result).contains("Conv"))
    #expect(layers[0].noOp.first?.hasPrefix("dynamic int8 convolution") == true)
    #expect(layers[1].methods == ["int8 dynamic"])
    step.selection.layers = ["conv1"]
    let asked = try apply(.quantize(step), to: model)
    #expect(operators(asked.model).contains("ConvInteger"))
    #expect(asked.layers[1].noOp == ["not among the layers that the recipe names"])
    #expect(try sqnr(model, asked.model, inner: [2, 6, 6]) > 28)
  }

  @Test func staticGemm() throws {
    for isTransposed in [false, true] {
      let model = try TestModels.mlp(isTransposed: isTransposed, alpha: 0.5, beta: 2)
      let data = try TestModels.dataset(for: model, rows: 64, inner: [8])
      let result = try apply(.quantize(QuantizeStep(activations: .static)), to: model, data).model
      let layer = [
        "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear", "Gemm",
      ]
      #expect(operators(result).sorted() == (layer + ["Relu"] + layer).sorted())
      for node in result.graph.nodes where node.op == "Gemm" {
        #expect(node.attributes["alpha"] == nil && node.attributes["beta"] == nil)
      }
      // Every weight has its zero point and every bias is int32 without one.
      for node in result.graph.nodes where node.op == "DequantizeLinear" {
        guard let codes = result.graph.constant(node.inputs[0]) else { continue }
        #expect(node.inputs.count == (codes.type == .int8 ? 3 : 2))
      }
      // The last layer's output stays float.
      #expect(result.graph.nodes.last?.op == "Gemm")
      #expect(try sqnr(model, result, inner: [8]) > 28)
    }
  }

  @Test func staticConvolutionIsQuantizedAtBothEnds() throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 64, inner: [2, 6, 6])
    let result = try apply(.quantize(QuantizeStep(activations: .static)), to: model, data).model
    let graph = result.graph
    let index = GraphIndex(graph)
    func producer(_ value: ValueID) -> Node? { index.producers[value].map { graph.nodes[$0] } }
    let pool = try #require(graph.nodes.first { $0.op == "MaxPool" })
    let before = try #require(producer(pool.inputs[0]))
    #expect(before.op == "DequantizeLinear")
    #expect(producer(before.inputs[0])?.op == "QuantizeLinear")
    // Pooling and flattening only move values: input and output share scale and zero point.
    let scales = Set(graph.nodes.filter { $0.op == "QuantizeLinear" }.map { $0.inputs[1] })
    #expect(scales.count == 2)
    #expect(graph.nodes.filter { $0.op == "QuantizeLinear" }.count == 4)
    // Behind a Relu the whole of uint8 is used.
    let zeroPoint = try #require(graph.constant(before.inputs[2]))
    #expect(zeroPoint.array(of: UInt8.self) == [0])
    #expect(try sqnr(model, result, inner: [2, 6, 6]) > 28)
  }

  @Test func aLastConvolutionKeepsTheNameOfItsOutput() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(5), .known(5)])
    let y = builder.node("Conv", "conv", [x, try builder.constant("w", [3, 2, 1, 1], seed: 1)])
    let model = builder.model(output: y, [.symbol("batch"), .known(3), .known(5), .known(5)])
    let count = 32 * 50
    let data = try Dataset([
      ("x", try Tensor(shape: [32, 2, 5, 5], TestModels.numbers(count, seed: 3)))
    ])
    let result = try apply(.quantize(QuantizeStep(activations: .static)), to: model, data).model
    #expect(result.graph[result.graph.outputs[0]].name == "conv.out")
    #expect(result.graph.nodes.last?.op == "DequantizeLinear")
    #expect(try sqnr(model, result, inner: [2, 5, 5]) > 28)
  }

  @Test func residualsAreQuantizedOnBothSides() throws {
    var builder = GraphBuilder()
    let dimensions: [Dimension] = [.symbol("batch"), .known(2), .known(4), .known(4)]
    let x = builder.input("x", dimensions)
    let first = builder.node("Conv", "conv1", [x, try builder.constant("w1", [2, 2, 1, 1], seed: 1)])
    let sum = builder.node("Add", "add", [first, x])
    let y = builder.node("Conv", "conv2", [sum, try builder.constant("w2", [2, 2, 1, 1], seed: 2)])
    let model = builder.model(output: y, dimensions)
    let data = try Dataset([
      ("x", try Tensor(shape: [32, 2, 4, 4], TestModels.numbers(32 * 32, seed: 3)))
    ])
    let result = try apply(.quantize(QuantizeStep(activations: .static)), to: model, data).model
    try result.graph.verify()
    #expect(try sqnr(model, result, inner: [2, 4, 4]) > 26)
  }

  @Test func weightOnly() throws {
    let model = try TestModels.mlp(isTransposed: true)
    let step = QuantizeStep(activations: QuantizeStep.Activations.none)
    let (result, layers) = try apply(.quantize(step), to: model)
    #expect(operators(result) == ["DequantizeLinear", "Gemm", "Relu", "DequantizeLinear", "Gemm"])
    for node in result.graph.nodes where node.op == "Gemm" { #expect(node.attributes["transB"] == nil) }
    #expect(layers.allSatisfy { $0.methods == ["int8 weights"] })
    #expect(try sqnr(model, result, inner: [8]) > 38)
  }

  @Test func matMulTakesBiasesBehindIt() throws {
    let model = try TestModels.matMulAdd()
    let data = try TestModels.dataset(for: model, rows: 64, inner: [8])
    var prune = PruneStep(sparsity: 0.5)
    prune.repair = .bias
    let result = try apply(.prune(prune), to: model, data).model
    let bias = try #require(result.graph.constant(result.graph.nodes[1].inputs[1]))
    #expect(bias.array(of: Float.self) != TestModels.numbers(4, seed: 6))
  }

  @Test func pruningThenQuantizingKeepsZeros() throws {
    let model = try TestModels.mlp()
    let pruned = try apply(.prune(PruneStep(sparsity: 0.75)), to: model)
    #expect(pruned.layers.map(\.sparsity) == [0.75, 0.75])
    // Two signs leave no room for zero.
    for weights in QuantizeStep.Weights.allCases where weights != .binary {
      var step = QuantizeStep(activations: weights.isInteger8 ? .dynamic : QuantizeStep.Activations.none)
      step.weights = weights
      if weights == .codebook { step.granularity = .tensor }
      let result = try apply(.quantize(step), to: pruned.model)
      #expect(result.layers.allSatisfy { ($0.sparsity ?? 0) >= 0.75 })
      #expect(ModelSize(result.model).nonzeros <= ModelSize(pruned.model).nonzeros + 20)
    }
  }

  @Test func sharedWeightsArePrunedOnce() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(4)])
    let weight = try builder.constant("w", [4, 4], seed: 1)
    let hidden = builder.node("MatMul", "a", [x, weight])
    let y = builder.node("MatMul", "b", [hidden, weight])
    let model = builder.model(output: y, [.symbol("batch"), .known(4)])
    let result = try apply(.prune(PruneStep(sparsity: 0.5)), to: model)
    #expect(result.layers.map(\.sparsity) == [0.5, 0.5])
    #expect(result.model.graph.nodes[0].inputs[1] == result.model.graph.nodes[1].inputs[1])
  }

  @Test func wordsAndGlobsSelectLayers() throws {
    let model = try TestModels.cnn()
    func skipped(_ change: (inout LayerSelection) -> Void) throws -> [Bool] {
      var step = PruneStep(sparsity: 0.5)
      change(&step.selection)
      return try apply(.prune(step), to: model).layers.map(\.methods.isEmpty)
    }
    #expect(try skipped { _ in } == [false, false])
    #expect(try skipped { $0.exclude = ["first"] } == [true, false])
    #expect(try skipped { $0.exclude = ["last", "depthwise"] } == [false, true])
    #expect(try skipped { $0.layers = ["fc*"] } == [true, false])
    #expect(
      throws: CompressionError.recipe("steps[0].exclude: 'head' matches no layer; layers are conv1, fc")
    ) {
      _ = try skipped { $0.exclude = ["head"] }
    }
  }

  @Test func whatCannotBeDoneIsSaid() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let square = builder.node("MatMul", "attention", [x, builder.node("Transpose", "t", [x])])
    let table = try builder.constant("table", [16, 8], seed: 1)
    let row = builder.constant("row", try Tensor(shape: [1], [3] as [Int64]))
    let gathered = builder.node("Gather", "embedding", [table, row])
    let y = builder.node("MatMul", "out", [square, builder.node("MatMul", "m", [x, gathered])])
    let scan = LayerScan(builder.model(output: y, [.symbol("batch"), .unknown]))
    let reasons = Dictionary(uniqueKeysWithValues: scan.untouched.map { ($0.name, $0.reason) })
    #expect(reasons["attention"] == "both operands are computed at run time")
    #expect(reasons["embedding"] == "a table too small to pay for the nodes that read its codes")
    #expect(scan.layers.isEmpty)
  }

  /// As exporters leave them, and as ONNX's inference in newer operator sets refuses them.
  @Test func declaredRanksThatCannotBeAreCorrected() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let y = builder.node("MatMul", "fc", [x, try builder.constant("w", [8, 4], seed: 1)])
    // In this opset an attribute, in the newest an input.
    let z = builder.node("ReduceMax", "largest", [y], ["axes": .ints([1]), "keepdims": .int(1)])
    let normal = try Normalizer.normalized(builder.model(output: z, [.symbol("length")]))
    let type = normal.graph[normal.graph.outputs[0]].type?.tensor
    #expect(type?.dimensions == [.symbol("batch"), .known(1)])
  }

  @Test func staticNeedsData() throws {
    let step = QuantizeStep(activations: .static)
    let error = #expect(throws: CompressionError.self) {
      _ = try apply(.quantize(step), to: try TestModels.mlp())
    }
    #expect("\(try #require(error))".hasPrefix("steps[0].activations: static needs calibration data"))
  }
}
