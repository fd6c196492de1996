import GraphIR
import Glibc
import Tensors
import Testing

@testable import Compression

/// Factors that move between inputs and weights: the same outputs in float, smaller errors in integers.
@Suite struct SmoothingTests {
  private static let batch = Dimension.symbol("batch")
  private static let width = 16

  private func context(_ data: Dataset?) -> StepContext {
    StepContext(
      path: "steps[0].quantize", calibration: data, others: [:], resources: TestModels.resources(),
      memory: 256 << 20)
  }

  private func step(_ members: String) throws -> QuantizeStep {
    let recipe = try Recipe.parse(Array(#"{"steps":[{"quantize":{\#(members)}}]}"#.utf8))
    guard case .quantize(let step) = recipe.steps[0] else { preconditionFailure("not a quantize step") }
    return step
  }

  private func assignments(_ model: Model, _ step: QuantizeStep) -> [QuantizeAssignment] {
    LayerScan(model).all.map {
      QuantizeAssignment(layer: $0, key: $0.key(in: model.graph), step: step, path: "steps[0].quantize")
    }
  }

  /// The model with smoothing and without quantization.
  private func smoothed(_ model: Model, _ members: String, _ data: Dataset?) throws -> (Model, LayerLedger) {
    var result = model
    var ledger = LayerLedger(model)
    try Smoothing.apply(
      assignments(model, step(members)), to: &result, &ledger, context(data))
    return (result, ledger)
  }

  private func quantized(_ model: Model, _ members: String, _ data: Dataset) throws -> Model {
    var result = model
    var ledger = LayerLedger(model)
    try QuantizationPass(steps: [(step(members), "steps[0].quantize")])
      .apply(to: &result, &ledger, context(data))
    return result
  }

  /// Noise by signal of the outputs.
  private func error(_ model: Model, _ other: Model, _ data: Dataset) throws -> Double {
    let x = try #require(data.arrays["x"])
    var error = SignalError()
    error.add(try TestModels.run(model, x), try TestModels.run(other, x))
    return error.noise / error.signal
  }

  /// Numbers in −1…1 whose every eighth channel is `factor` times larger; channels lie on axis 1 or the last one.
  private func outliers(_ shape: [Int], factor: Float, isImage: Bool = false) throws -> Tensor {
    var values = TestModels.numbers(shape.reduce(1, *), seed: 77)
    let inner = isImage ? shape[2...].reduce(1, *) : 1
    let channels = isImage ? shape[1] : shape[shape.count - 1]
    for index in values.indices where index / inner % channels % 8 == 3 { values[index] *= factor }
    return try Tensor(shape: Shape(shape), values)
  }

  /// `[n, n]` whose rows (columns when transposed) of the large channels are as much smaller as these are larger: all
  /// channels matter alike.
  private func balanced(_ seed: UInt64, isTransposed: Bool = false) throws -> Tensor {
    let n = Self.width
    var values = TestModels.numbers(n * n, seed: seed)
    for index in values.indices where (isTransposed ? index % n : index / n) % 8 == 3 { values[index] /= 20 }
    return try Tensor(shape: [n, n], values)
  }

  private func vector(_ factor: Float, seed: UInt64) throws -> Tensor {
    let values = TestModels.numbers(Self.width, seed: seed).enumerated().map { index, value in
      index % 8 == 3 ? value * factor + factor : value * 0.2 + 1
    }
    return try Tensor(shape: [Self.width], values)
  }

  // MARK: Models

  /// Each with a layer or three behind something that takes factors, and channels of very different size.
  private enum Case: String, CaseIterable {
    case normalization, spelledNormalization, gated, gemms, attention, images, preactivation
  }

  private func model(_ kind: Case) throws -> (model: Model, data: Dataset) {
    var builder = GraphBuilder()
    let n = Self.width
    let isImage = kind == .images || kind == .preactivation
    let inner = isImage ? [8, 5, 5] : kind == .gemms ? [n] : [6, n]
    let x = builder.input("x", [Self.batch] + inner.map { .known($0) })
    var y: ValueID
    switch kind {
    case .normalization:
      let normal = builder.node(
        "LayerNormalization", "ln",
        [
          x, builder.constant("gamma", try vector(20, seed: 1)),
          builder.constant("beta", try vector(5, seed: 2)),
        ])
      let parts = try (0..<3).map { part in
        builder.node(
          "MatMul", "mm\(part)", [normal, builder.constant("w\(part)", try balanced(UInt64(part) + 3))])
      }
      let sum = builder.node("Add", "sum", [parts[0], parts[1]])
      y = builder.node("Add", "sum2", [sum, parts[2]])
    case .spelledNormalization:
      let scaled = builder.node("Mul", "scale", [builder.constant("gamma", try vector(20, seed: 1)), x])
      let shifted = builder.node("Add", "shift", [scaled, builder.constant("beta", try vector(5, seed: 2))])
      y = builder.node("MatMul", "mm", [shifted, builder.constant("w", try balanced(3))])
    case .gated:
      let gate = builder.node("MatMul", "gate", [x, try builder.constant("wg", [n, n], seed: 1)])
      let up = builder.node(
        "MatMul", "up", [x, builder.constant("wu", try outliers([n, n], factor: 20))])
      let silu = builder.node("Sigmoid", "sigmoid", [gate])
      let product = builder.node("Mul", "product", [silu, up])
      y = builder.node("MatMul", "down", [product, builder.constant("wd", try balanced(3))])
    case .gemms:
      let first = builder.node(
        "Gemm", "fc1",
        [
          x, builder.constant("w1", try outliers([n, n], factor: 20)),
          try builder.constant("b1", [1], seed: 2),
        ],
        ["beta": .float(2)])
      let relu = builder.node("Relu", "relu", [first])
      y = builder.node(
        "Gemm", "fc2", [relu, builder.constant("w2", try balanced(3, isTransposed: true))],
        ["transB": .int(1)])
    case .attention:
      let split = builder.constant("split", try Tensor(shape: [4], [0, 0, 2, 8] as [Int64]))
      let joined = builder.constant("joined", try Tensor(shape: [3], [0, 0, Int64(n)]))
      let middle: Attributes = ["perm": .ints([0, 2, 1, 3])]
      let query = builder.node("Reshape", "qs", [x, split])
      let queries = builder.node("Transpose", "qt", [query], middle)
      let keys = builder.node("Transpose", "kt", [query], ["perm": .ints([0, 2, 3, 1])])
      let weights = builder.node("Softmax", "softmax", [builder.node("MatMul", "scores", [queries, keys])])
      let value = builder.node(
        "MatMul", "value", [x, builder.constant("wv", try outliers([n, n], factor: 20))])
      let bias = builder.node("Add", "bias", [value, try builder.constant("bv", [n], seed: 5)])
      let values = builder.node("Transpose", "vt", [builder.node("Reshape", "vs", [bias, split])], middle)
      let mixed = builder.node("MatMul", "mixed", [weights, values])
      let back = builder.node("Transpose", "back", [mixed], middle)
      let merged = builder.node("Reshape", "merge", [back, joined])
      y = builder.node("MatMul", "out", [merged, builder.constant("wo", try balanced(3))])
    case .images:
      var kernel = TestModels.numbers(8 * 8 * 9, seed: 1)
      for index in kernel.indices where index / 72 == 3 { kernel[index] *= 20 }
      let a = builder.node(
        "Conv", "a",
        [
          x, builder.constant("wa", try Tensor(shape: [8, 8, 3, 3], kernel)),
          try builder.constant("ba", [8], seed: 2),
        ])
      let relu = builder.node("Relu", "relu", [a])
      let pool = builder.node("MaxPool", "pool", [relu], ["kernel_shape": .ints([2, 2])])
      y = builder.node(
        "Conv", "b", [pool, try builder.constant("wb", [4, 8, 3, 3], seed: 3)], ["pads": .ints([1, 1, 1, 1])])
    case .preactivation:
      let gamma = try Tensor(
        shape: [8, 1, 1], Array(try vector(20, seed: 1).array(of: Float.self).prefix(8)))
      let scaled = builder.node("Mul", "scale", [x, builder.constant("gamma", gamma)])
      let relu = builder.node("Relu", "relu", [scaled])
      y = builder.node("Conv", "b", [relu, try builder.constant("wb", [4, 8, 2, 2], seed: 3)])
    }
    let rank = isImage ? 4 : inner.count + 1
    let data = try Dataset([
      ("x", try Tensor(shape: Shape([48] + inner), TestModels.numbers(48 * inner.reduce(1, *), seed: 9)))
    ])
    return (builder.model(output: y, [Self.batch] + [Dimension](repeating: .unknown, count: rank - 1)), data)
  }

  // MARK: Tests

  @Test(arguments: Case.allCases.map(\.rawValue), [0.0, 0.5, 1.0])
  func floatOutputsStayTheSame(name: String, exponent: Double) throws {
    let (model, data) = try model(try #require(Case(rawValue: name)))
    for activations in ["static", "none"] {
      let members = #""activations":"\#(activations)","smooth":\#(exponent)"#
      let (result, ledger) = try smoothed(model, members, data)
      let reports = ledger.reports { _, _ in }
      // With weights alone α = 0 leaves every factor at 1.
      #expect(reports.contains { $0.methods.contains("smoothed \(exponent)") })
      // Layers that read the model's input have nothing before them: they get a Mul.
      let added = LayerScan(model).layers.contains { model.graph.inputs.contains($0.activation) } ? 1 : 0
      #expect(result.graph.nodes.count == model.graph.nodes.count + added)
      #expect(try error(model, result, data) < 1e-12)
      let isChanged = try result.serialized() != model.serialized()
      #expect(isChanged)
    }
  }

  /// One scale for the whole tensor has to cover channels twenty times larger than the others.
  @Test(arguments: [
    ("normalization", 10.0), ("spelledNormalization", 10), ("gated", 5), ("gemms", 5), ("attention", 5),
  ])
  func outlierChannelsCostLess(name: String, factor: Double) throws {
    let (model, data) = try model(try #require(Case(rawValue: name)))
    let members = #""activations":"static","bias_correction":false,"smooth":"#
    let plain = try error(model, quantized(model, members + #""none""#, data), data)
    let stated = try error(model, quantized(model, members + "0.5", data), data)
    let chosen = try error(model, quantized(model, members + #""auto""#, data), data)
    #expect(stated < plain / factor, "\(plain) became \(stated)")
    #expect(chosen < plain / factor, "\(plain) became \(chosen)")
  }

  /// Query, key and value of one normalization get one vector: their weights' rows grow by the same factors.
  @Test func readersOfOneValueShareTheirFactors() throws {
    let (model, data) = try model(.normalization)
    let (result, _) = try smoothed(model, #""activations":"static","smooth":0.5"#, data)
    let (before, after) = (LayerScan(model).layers, LayerScan(result).layers)
    let n = Self.width
    var factors: [[Float]] = []
    for (old, new) in zip(before, after) {
      let (a, b) = (old.weights.array(of: Float.self), new.weights.array(of: Float.self))
      factors.append((0..<n).map { b[$0 * n] / a[$0 * n] })
      for index in a.indices {
        #expect(abs(b[index] - a[index] * factors[0][index / n]) <= 1e-5 * abs(b[index]))
      }
    }
    #expect(factors.count == 3)
    let gamma = try #require(model.graph.constant(model.graph.nodes[0].inputs[1])).array(of: Float.self)
    let divided = try #require(result.graph.constant(result.graph.nodes[0].inputs[1])).array(of: Float.self)
    for channel in 0..<n { #expect(abs(divided[channel] * factors[0][channel] / gamma[channel] - 1) < 1e-5) }
    // The largest over the smallest, about √(20 · 20) for α = ½, and what the other numbers differ by.
    #expect(try #require(factors[0].max()) / #require(factors[0].min()) > 10)
  }

  /// What a normalization gives is also added to what follows, as in BERT: nothing before can be divided.
  private func residual() throws -> (model: Model, data: Dataset) {
    var builder = GraphBuilder()
    let n = Self.width
    let x = builder.input("x", [Self.batch, .known(6), .known(n)])
    let normal = builder.node(
      "LayerNormalization", "ln",
      [
        x, builder.constant("gamma", try vector(20, seed: 1)),
        builder.constant("beta", try vector(5, seed: 2)),
      ])
    let product = builder.node("MatMul", "mm", [normal, builder.constant("w", try balanced(3))])
    let y = builder.node("Add", "sum", [product, normal])
    let data = try Dataset([
      ("x", try Tensor(shape: [48, 6, n], TestModels.numbers(48 * 6 * n, seed: 9)))
    ])
    return (builder.model(output: y, [Self.batch, .known(6), .known(n)]), data)
  }

  @Test func autoLeavesWhatItWouldHaveToAddTo() throws {
    let (model, data) = try residual()
    let (same, ledger) = try smoothed(model, #""activations":"static""#, data)
    #expect(try same.serialized() == model.serialized())
    #expect(
      ledger.notes == [
        "steps[0].quantize.smooth: auto smoothed 0 of 1 layers; left 1 (Add reads its input too)"
      ])
  }

  @Test func aNumberPutsAMulInFront() throws {
    let (model, data) = try residual()
    let (result, _) = try smoothed(model, #""activations":"static","smooth":0.5"#, data)
    #expect(result.graph.nodes.map(\.op) == ["LayerNormalization", "Mul", "MatMul", "Add"])
    #expect(try error(model, result, data) < 1e-12)
    let members = #""activations":"static","bias_correction":false,"smooth":"#
    let plain = try error(model, quantized(model, members + #""none""#, data), data)
    let stated = try error(model, quantized(model, members + "0.5", data), data)
    #expect(stated < plain / 5, "\(plain) became \(stated)")
  }

  /// Weights alone: large inputs get finer steps of the weights.
  @Test(arguments: ["int4", "int3"]) func weightsOfLargeInputsAreKept(weights: String) throws {
    var builder = GraphBuilder()
    let n = Self.width
    let x = builder.input("x", [Self.batch, .known(n)])
    let scaled = builder.node("Mul", "scale", [x, builder.constant("gamma", try vector(20, seed: 1))])
    let y = builder.node("MatMul", "mm", [scaled, try builder.constant("w", [n, n], seed: 3)])
    let model = builder.model(output: y, [Self.batch, .known(n)])
    let data = try Dataset([("x", try Tensor(shape: [256, n], TestModels.numbers(256 * n, seed: 9)))])
    let members =
      #""weights":"\#(weights)","activations":"none","clip":"none","bias_correction":false,"smooth":"#
    let plain = try error(model, quantized(model, members + #""none""#, data), data)
    let stated = try error(model, quantized(model, members + "0.5", data), data)
    let chosen = try error(model, quantized(model, members + #""auto""#, data), data)
    #expect(stated < plain / 1.5, "\(plain) became \(stated)")
    #expect(chosen < plain / 1.5, "\(plain) became \(chosen)")
  }

  @Test func withoutDataNothingIsMovedAndTheReportSaysSo() throws {
    let (model, _) = try model(.normalization)
    let (same, ledger) = try smoothed(model, #""activations":"dynamic""#, nil)
    #expect(try same.serialized() == model.serialized())
    #expect(
      ledger.notes == [
        "steps[0].quantize.smooth: auto left all layers alone, as there are no calibration data"
      ])
    #expect(
      throws: CompressionError.recipe(
        "steps[0].quantize.smooth: a number needs calibration data; name a dataset in calibration")
    ) { try smoothed(model, #""activations":"dynamic","smooth":0.5"#, nil) }
  }

  /// Even channels: the grid finds nothing to gain and leaves the graph as it is.
  @Test func autoLeavesWhatDoesNotGain() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 64, inner: [8])
    let (same, ledger) = try smoothed(model, #""activations":"static""#, data)
    #expect(try same.serialized() == model.serialized())
    #expect(ledger.notes.count == 1)
    #expect(ledger.notes[0].hasPrefix("steps[0].quantize.smooth: auto smoothed 0 of 2 layers"))
  }

  @Test func factorsFollowTheirFormula() throws {
    let layer = try #require(LayerScan(try TestModels.matMulAdd()).layers.first)
    let x = try Tensor(shape: [2, 8], (0..<16).map { index in Float(index < 8 ? index : 8 - index) })
    var sampler = try #require(SmoothingSampler(layer, in: TestModels.matMulAdd().graph))
    sampler.add(x)
    let sample = try #require(sampler.sample)
    #expect(sample.largest == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(sample.meanMagnitude == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(sample.rows.count == 16)
    let weights = layer.weights.array(of: Float.self)
    let rows = (0..<8).map { row in weights[row * 4..<row * 4 + 4].map(abs).max() ?? 0 }
    for (exponent, weightsOnly) in [(0.5, false), (0.25, false), (0.5, true)] {
      let factors = SmoothingFactors.factors(sample, [layer], exponent: exponent, weightsOnly: weightsOnly)
      #expect(factors[0] == 1)
      let raw = (1..<8).map { channel -> Double in
        let weight = weightsOnly ? 1 : pow(Double(rows[channel]), 1 - exponent)
        return pow(Double(channel), exponent) / weight
      }
      let middle = (raw.min()! * raw.max()!).squareRoot()
      for channel in 1..<8 { #expect(abs(Double(factors[channel]) * middle / raw[channel - 1] - 1) < 1e-5) }
    }
  }
}
