import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Steps that change what a model consists of, through the pipeline.
@Suite struct StructureStepTests {
  private func steps(_ text: String) throws -> [Recipe.Step] {
    try Recipe.parse(Array(#"{"steps":[\#(text)]}"#.utf8)).resolvedSteps(hasCalibration: true)
  }

  private func apply(
    _ text: String, _ model: Model, _ data: Dataset? = nil, others: [String: Model] = [:]
  ) throws -> (model: Model, ledger: LayerLedger) {
    let input = CompressionInput(
      model: model, fileBytes: 1, sourceSHA256: "",
      recipe: try Recipe.parse(Array(#"{"preset":"audit"}"#.utf8)),
      calibration: data)
    let resources = TestModels.resources()
    let original = try ModelRunner(model, resources)
    let runner = StepRunner(
      calibration: data, others: others, samples: try RunSamples(input, data, original), resources: resources,
      memory: 1 << 28, place: { "steps[\($0)]" })
    return try runner.apply(try steps(text), to: try Normalizer.normalized(model), begin: { _ in })
  }

  private func reports(_ ledger: LayerLedger) -> [LayerReport] { ledger.reports { _, _ in } }

  private func weights(_ model: Model) -> [Tensor] { LayerScan(model).layers.map(\.weights) }

  // MARK: Weight sharing

  @Test(arguments: ["tensor", "channel"]) func sharedValues(scope: String) throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 20, inner: [2, 6, 6])
    let result = try apply(#"{"share_weights":{"clusters":3,"scope":"\#(scope)"}}"#, model, data)
    for layer in LayerScan(result.model).layers {
      let walk = ChannelWalk(layer.shape, axis: layer.outputAxis)
      var tables: [Int: Set<Float>] = [:]
      for (index, value) in layer.weights.array(of: Float.self).enumerated() {
        tables[scope == "tensor" ? 0 : walk.channel(of: index), default: []].insert(value)
      }
      #expect(tables.count == (scope == "tensor" ? 1 : layer.outputChannels))
      #expect(tables.values.allSatisfy { $0.count == 3 })
    }
    #expect(reports(result.ledger).map(\.methods) == [["3 shared values"], ["3 shared values"]])
  }

  @Test func zerosStayZeroWhenWeightsAreShared() throws {
    let result = try apply(
      #"{"prune":{"sparsity":0.6,"repair":"none"}},{"share_weights":{"clusters":4}}"#, try TestModels.mlp())
    for report in reports(result.ledger) { #expect((report.sparsity ?? 0) >= 0.55) }
  }

  @Test func fewValuesAreLeftAlone() throws {
    let result = try apply(
      #"{"share_weights":{"clusters":4}},{"share_weights":{"clusters":8}}"#, try TestModels.mlp())
    for report in reports(result.ledger) {
      #expect(report.noOp == ["has 4 distinct values already"])
      #expect(report.methods == ["4 shared values"])
    }
  }

  // MARK: Merging

  /// The same net with other weights.
  private func sibling(_ model: Model) throws -> Model {
    var other = model
    for index in other.graph.values.indices {
      guard let constant = other.graph.values[index].constant, constant.type == .float32 else { continue }
      other.graph.values[index].constant = try Tensor(
        shape: constant.shape, TestModels.numbers(constant.elementCount, seed: UInt64(200 + index)))
    }
    return other
  }

  @Test(arguments: [0, 0.25, 1]) func weightsLieBetweenTheModels(alpha: Double) throws {
    let model = try TestModels.mlp()
    let other = try sibling(model)
    let merged = try apply(
      #"{"merge":{"model":"other","alpha":\#(alpha)}}"#, model, others: ["other": other])
    let (ours, theirs) = (try Normalizer.normalized(model), try Normalizer.normalized(other))
    for (index, value) in merged.model.graph.values.enumerated() where value.constant?.type == .float32 {
      let a = try #require(ours.graph.values[index].constant).array(of: Float.self)
      let b = try #require(theirs.graph.values[index].constant).array(of: Float.self)
      let m = try #require(value.constant).array(of: Float.self)
      if alpha == 0 { #expect(m == a) }
      if alpha == 1 { #expect(m == b) }
      let isBetween = m.indices.allSatisfy { abs(m[$0] - (a[$0] + Float(alpha) * (b[$0] - a[$0]))) < 1e-6 }
      #expect(isBetween)
    }
    #expect(merged.ledger.hasChanges == (alpha != 0))
  }

  @Test func onlySelectedLayersAreMerged() throws {
    let model = try TestModels.mlp()
    let result = try apply(
      #"{"merge":{"model":"other","alpha":1,"layers":["fc1"]}}"#, model,
      others: ["other": try sibling(model)])
    #expect(weights(result.model)[1] == weights(model)[1])
    #expect(weights(result.model)[0] != weights(model)[0])
    #expect(reports(result.ledger)[1].noOp == ["not among the layers that the recipe names"])
  }

  @Test func modelsThatDifferAreNotMerged() throws {
    let model = try TestModels.mlp()
    #expect(throws: CompressionError.recipe("steps[0].merge.model: the model 'other' was not given")) {
      try apply(#"{"merge":{"model":"other"}}"#, model)
    }
    var narrow = model
    for layer in LayerScan(model).layers.suffix(1) {
      narrow.graph[layer.weight].constant = try Tensor(shape: [16, 3], TestModels.numbers(48, seed: 3))
      narrow.graph[layer.weight].type = nil
      let bias = try #require(layer.bias)
      narrow.graph[bias].constant = try Tensor(shape: [3], TestModels.numbers(3, seed: 3))
      narrow.graph[layer.output].type = nil
    }
    for (other, text) in [
      (narrow, "'fc2.weight' float32 [16,4]"), (try TestModels.cnn(), "node 'fc1' is Gemm"),
    ] {
      do {
        _ = try apply(#"{"merge":{"model":"other"}}"#, model, others: ["other": other])
        Issue.record("merged")
      } catch {
        #expect("\(error)".contains(text))
      }
    }
  }

  @Test(arguments: [0, 0.3, 1]) func ensemblesAverageOutputs(alpha: Double) throws {
    let model = try TestModels.cnn()
    var other = try sibling(model)
    // Another net: only inputs and outputs have to agree.
    other.graph[other.graph.inputs[0]].name = "image"
    let joined = try apply(
      #"{"merge":{"model":"other","mode":"outputs","alpha":\#(alpha)}}"#, model, others: ["other": other])
    let x = try Tensor(shape: [3, 2, 6, 6], TestModels.numbers(216, seed: 9))
    let (a, b) = (try TestModels.run(model, x), try TestModels.run(other, x))
    let mean = try TestModels.run(joined.model, x)
    #expect(joined.model.graph.outputs.map { joined.model.graph[$0].name } == ["fc.out"])
    #expect(mean.shape == a.shape)
    let given = mean.array(of: Float.self)
    let isMean = zip(given, zip(a.array(of: Float.self), b.array(of: Float.self))).allSatisfy {
      abs($0 - (Float(1 - alpha) * $1.0 + Float(alpha) * $1.1)) < 1e-5
    }
    #expect(isMean)
    let reports = reports(joined.ledger)
    #expect(reports.map(\.methods) == [[], [], ["ensemble with other"], ["ensemble with other"]])
    #expect(reports.allSatisfy { $0.noOp.isEmpty })
    #expect(reports.suffix(2).allSatisfy { $0.bytesBefore == 0 && $0.bytesAfter > 0 })
    // What was written can be read again.
    let read = try Model.load(bytes: joined.model.serialized())
    #expect(try TestModels.run(read, x) == mean)
  }

  @Test func ensemblesNeedEqualOutputs() throws {
    #expect(throws: CompressionError.self) {
      try apply(
        #"{"merge":{"model":"other","mode":"outputs"}}"#, try TestModels.cnn(),
        others: ["other": try TestModels.mlp()])
    }
  }

  // MARK: Channels

  private static let channels =
    #"{"prune":{"structure":"channel","sparsity":0.5,"method":"l2","repair":"none"}}"#

  @Test func removedChannelsAreReported() throws {
    let model = try TestModels.mlp()
    let result = try apply("\(Self.channels),\(#"{"quantize":{"activations":"none"}}"#)", model)
    let reports = reports(result.ledger)
    #expect(reports.map { $0.methods.first } == ["channels 8 of 16", "inputs 8 of 16"])
    #expect(reports.map { $0.methods.count } == [2, 2])
    #expect(
      reports.allSatisfy { $0.noOp.isEmpty && $0.bytesAfter * 4 < $0.bytesBefore * 2 && $0.weightSQNR == nil }
    )
    #expect(result.ledger.elements("fc1.out").after == 64)
  }

  @Test func channelsThatStayAreExplained() throws {
    let model = try TestModels.mlp()
    let last = try reports(
      apply(Self.channels.replacing(#""method""#, with: #""layers":["fc2"],"method""#), model).ledger)
    #expect(
      last.map(\.noOp) == [
        ["not among the layers that the recipe names"], ["its channels are those of output 'fc2.out'"],
      ])
    let few = try reports(apply(Self.channels, try TestModels.cnn()).ledger)
    #expect(few[0].noOp == ["no fewer than its 4 channels make a multiple of 8 near enough"])
    let heads = try reports(apply(Self.channels.replacing("channel", with: "head"), model).ledger)
    #expect(heads[0].noOp == ["gives no attention heads"])
  }

  /// The repaired consumer errs less on the data than the one that just lost its inputs.
  @Test(arguments: [false, true]) func repairLowersTheError(isTransposed: Bool) throws {
    let model = try TestModels.mlp(isTransposed: isTransposed, alpha: 0.5, beta: 2)
    let data = try TestModels.dataset(for: model, rows: 200, inner: [8])
    let x = try #require(data.arrays["x"])
    let wanted = try TestModels.run(model, x)
    var errors: [String: Double] = [:]
    for repair in ["none", "bias", "least_squares", "auto"] {
      let recipe = #"{"prune":{"structure":"channel","sparsity":0.5,"repair":"\#(repair)"}}"#
      var error = SignalError()
      error.add(wanted, try TestModels.run(apply(recipe, model, data).model, x))
      errors[repair] = error.noise
    }
    let (none, bias) = (try #require(errors["none"]), try #require(errors["bias"]))
    #expect(bias < none)
    #expect(try #require(errors["least_squares"]) < bias)
    #expect(errors["auto"] == errors["least_squares"])
  }

  /// The inner convolution reads and gives the channels of one group.
  @Test(arguments: ["l2", "activation_energy"]) func residualBlocksAreRepaired(method: String) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(3), .known(5), .known(5)])
    func convolution(_ name: String, _ input: ValueID, _ shape: Shape, seed: UInt64) throws -> ValueID {
      let weight = try builder.constant("\(name).weight", shape, seed: seed)
      return builder.node(
        "Conv", name, [input, weight, try builder.constant("\(name).bias", [shape[0]], seed: seed + 1)],
        ["pads": .ints([Int](repeating: shape[2] / 2, count: 4))])
    }
    let stem = builder.node("Relu", "r", [try convolution("stem", x, [16, 3, 1, 1], seed: 21)])
    let inner = try convolution("inner", stem, [16, 16, 3, 3], seed: 23)
    let sum = builder.node("Add", "sum", [stem, builder.node("Relu", "r2", [inner])])
    let head = try convolution("head", sum, [2, 16, 1, 1], seed: 25)
    let model = builder.model(output: head, [.symbol("batch"), .known(2), .known(5), .known(5)])
    let input = try Tensor(shape: [60, 3, 5, 5], TestModels.numbers(4500, seed: 77))
    let data = try Dataset([("x", input)])
    let wanted = try TestModels.run(model, input)
    var noise: [Double] = []
    for repair in ["none", "least_squares"] {
      let recipe =
        #"{"prune":{"structure":"channel","sparsity":0.5,"method":"\#(method)","repair":"\#(repair)"}}"#
      let result = try apply(recipe, model, data)
      #expect(LayerScan(result.model).layers.map(\.shape) == [[8, 3, 1, 1], [8, 8, 3, 3], [2, 8, 1, 1]])
      var error = SignalError()
      error.add(wanted, try TestModels.run(result.model, input))
      noise.append(error.noise)
    }
    #expect(noise[1] < noise[0])
  }

  @Test func energyNeedsData() throws {
    #expect(throws: CompressionError.self) {
      try apply(#"{"prune":{"structure":"channel","sparsity":0.5}}"#, try TestModels.mlp())
    }
  }
}
