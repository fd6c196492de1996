import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Every weight format on every kind of layer: the rewritten model computes what its codes stand for.
@Suite struct WeightFormatTests {
  private static let weights = QuantizeStep.Weights.allCases
  private static let granularities = QuantizeStep.Granularity.allCases

  private func step(_ weights: QuantizeStep.Weights, _ granularity: QuantizeStep.Granularity) -> QuantizeStep
  {
    var step = QuantizeStep(activations: QuantizeStep.Activations.none)
    (step.weights, step.granularity, step.group, step.bits) = (weights, granularity, 5, 5)
    return step
  }

  private func apply(
    _ step: QuantizeStep, to model: Model
  ) throws -> (model: Model, layers: [LayerReport]) {
    var result = model
    var ledger = LayerLedger(model)
    let context = StepContext(
      path: "steps[0]", calibration: nil, others: [:], resources: TestModels.resources(), memory: 1 << 20)
    try QuantizationPass(steps: [(step, "steps[0]")]).apply(to: &result, &ledger, context)
    ledger.endStep()
    return (result, ledger.reports { _, _ in })
  }

  /// `model` with every layer's weight replaced by the numbers that its codes stand for.
  private func decoded(_ model: Model, _ step: QuantizeStep) throws -> Model {
    var result = model
    for layer in LayerScan(model).all {
      let weight = try WeightCoder(step).code(layer).decoded(layer.weightAxes)
      result[graph: layer.path][layer.weight].constant = weight
    }
    return result
  }

  /// In dB, of what the rewritten model gives against one with decoded weights.
  private func agreement(_ step: QuantizeStep, _ model: Model, _ input: Tensor) throws -> Double {
    let (result, layers) = try apply(step, to: model)
    #expect(layers.allSatisfy { !$0.methods.isEmpty && $0.noOp.isEmpty })
    var error = SignalError()
    error.add(try TestModels.run(try decoded(model, step), input), try TestModels.run(result, input))
    return error.decibels
  }

  @Test(arguments: weights, granularities)
  func products(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    let step = step(weights, granularity)
    let rows = try Tensor(shape: [16, 8], TestModels.numbers(128, seed: 3))
    #expect(try agreement(step, try TestModels.mlp(), rows) > 90)
    #expect(try agreement(step, try TestModels.mlp(isTransposed: true, alpha: 2, beta: 0.5), rows) > 90)
    #expect(try agreement(step, try TestModels.matMulAdd(), rows) > 90)
    let images = try Tensor(shape: [4, 2, 6, 6], TestModels.numbers(288, seed: 4))
    #expect(try agreement(step, try TestModels.cnn(), images) > 90)
  }

  @Test(arguments: weights, [1, 2])
  func transposedConvolution(weights: QuantizeStep.Weights, groups: Int) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(4), .known(5), .known(5)])
    let weight = try builder.constant("w", [4, 3, 2, 2], seed: 1)
    let y = builder.node("ConvTranspose", "up", [x, weight], ["group": .int(groups)])
    let model = builder.model(output: y, [.symbol("batch"), .known(3 * groups), .known(6), .known(6)])
    let images = try Tensor(shape: [2, 4, 5, 5], TestModels.numbers(200, seed: 2))
    for granularity in Self.granularities {
      #expect(try agreement(step(weights, granularity), model, images) > 90)
    }
  }

  @Test(arguments: weights, granularities)
  func stacksOfMatrices(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.known(2), .symbol("rows"), .known(7)])
    let y = builder.node("MatMul", "stack", [x, try builder.constant("w", [2, 7, 3], seed: 1)])
    let model = builder.model(output: y, [.known(2), .symbol("rows"), .known(3)])
    let input = try Tensor(shape: [2, 4, 7], TestModels.numbers(56, seed: 2))
    #expect(try agreement(step(weights, granularity), model, input) > 90)
  }

  @Test(arguments: weights, granularities)
  func tables(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    let step = step(weights, granularity)
    let model = try Self.table(rows: 96, width: 12)
    let (result, layers) = try apply(step, to: model)
    #expect(layers.map(\.name) == ["embedding"])
    #expect(layers[0].methods.count == 1)
    let places = try Tensor(shape: [2, 3], [0, 95, 7, -1, 7, 50] as [Int64])
    var error = SignalError()
    error.add(try TestModels.run(try decoded(model, step), places), try TestModels.run(result, places))
    #expect(error.decibels > 90)
    // No float32 table is left in the file.
    let largest = result.graph.values.compactMap(\.constant).filter { $0.type == .float32 }.map(
      \.elementCount)
    #expect((largest.max() ?? 0) <= 96 * (granularity == .group ? 3 : 1))
    if weights == .int8 && granularity == .channel {
      #expect(result.graph.nodes.map(\.op.type) == ["Gather", "Cast", "Gather", "Mul"])
    }
  }

  /// Learned positions: the first rows of a table, as many as there are tokens.
  @Test(arguments: weights, granularities)
  func slicedTables(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    let step = step(weights, granularity)
    let model = try Self.slicedTable(axis: -2)
    #expect(ModelFacts(model).hasTables)
    let (result, layers) = try apply(step, to: model)
    #expect(layers.map(\.name) == ["positions"])
    #expect(layers[0].methods.count == 1)
    let end = try Tensor(shape: [1], [31] as [Int64])
    var error = SignalError()
    error.add(try TestModels.run(try decoded(model, step), end), try TestModels.run(result, end))
    #expect(error.decibels > 90)
    if weights == .int8 && granularity == .channel {
      #expect(result.graph.nodes.map(\.op.type) == ["Slice", "Cast", "Slice", "Mul"])
    }
  }

  @Test func tablesThatAreCutElsewhereAreLeft() throws {
    let scan = LayerScan(try Self.slicedTable(axis: 1))
    #expect(scan.all.isEmpty)
    #expect(scan.untouched.map(\.reason) == ["a table that is not read by whole rows"])
  }

  @Test(arguments: ["LSTM", "GRU", "RNN"], ["forward", "bidirectional"])
  func recurrentWeights(op: String, direction: String) throws {
    let directions = direction == "forward" ? 1 : 2
    let gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("time"), .known(1), .known(6)])
    let w = try builder.constant("w", [directions, gates * 5, 6], seed: 1)
    let r = try builder.constant("r", [directions, gates * 5, 5], seed: 2)
    let y = builder.node(
      OperatorName(type: op), "rnn", [x, w, r], ["hidden_size": .int(5), "direction": .string(direction)])
    let model = builder.model(
      output: y, [.symbol("time"), .known(directions), .known(1), .known(5)])
    let input = try Tensor(shape: [4, 1, 6], TestModels.numbers(24, seed: 3))
    for weights in Self.weights {
      for granularity in Self.granularities {
        let step = step(weights, granularity)
        #expect(try agreement(step, model, input) > 90, "\(weights) \(granularity)")
      }
    }
    let layers = try apply(step(.int8, .channel), to: model).layers
    #expect(layers.map(\.bytesAfter) == [gates * 5 * (6 * directions + 4), gates * 5 * (5 * directions + 4)])
  }

  @Test func sharedWeightsAreStoredOnce() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let weight = try builder.constant("w", [8, 8], seed: 1)
    let first = builder.node("MatMul", "first", [x, weight])
    let second = builder.node("MatMul", "second", [first, weight])
    let y = builder.node("Gemm", "third", [second, weight], ["transB": .int(1)])
    let model = builder.model(output: y, [.symbol("batch"), .known(8)])
    let input = try Tensor(shape: [4, 8], TestModels.numbers(32, seed: 2))
    // Scales of rows and of columns need codes of their own.
    for (granularity, copies) in [(QuantizeStep.Granularity.tensor, 1), (.channel, 2)] {
      let step = step(.int8, granularity)
      let result = try apply(step, to: model).model
      var error = SignalError()
      error.add(try TestModels.run(model, input), try TestModels.run(result, input))
      #expect(error.decibels > 30)
      let codes = result.graph.values.compactMap(\.constant).filter { $0.elementCount == 64 }
      #expect(codes.map(\.type) == [ElementType](repeating: .int8, count: copies))
      #expect(result.graph.nodes.filter { $0.op == "DequantizeLinear" }.count == 3)
    }
    // One reader that stays float keeps the others so.
    var partly = step(.int8, .channel)
    partly.selection.exclude = ["second"]
    let reasons = try apply(partly, to: model).layers.map(\.noOp)
    #expect(reasons[0] == ["shares its weight with 'second', which stays float"])
    #expect(reasons[1] == ["excluded by the recipe ('second')"])
  }

  @Test func layersInBodies() throws {
    let model = try Self.conditional()
    let rows = try Tensor(shape: [4, 8], TestModels.numbers(32, seed: 9))
    for weights in [QuantizeStep.Weights.int8, .int4, .fp16] {
      let step = step(weights, .channel)
      let (result, layers) = try apply(step, to: model)
      #expect(layers.map(\.name) == ["before", "yes.mm", "no.mm"])
      #expect(layers.allSatisfy { $0.methods.count == 1 && $0.noOp.isEmpty })
      for flag in [true, false] {
        let inputs = [rows, try Tensor(scalar: flag)]
        let expected = try Session(Program.compile(decoded(model, step)), team: ThreadTeam(threads: 1))
          .run(inputs)
        let loaded = try Model.load(bytes: try result.serialized())
        let actual = try Session(Program.compile(loaded), team: ThreadTeam(threads: 1)).run(inputs)
        var error = SignalError()
        error.add(expected[0], actual[0])
        #expect(error.decibels > 90)
      }
    }
  }

  /// `x` → MatMul `before` → If `flag`: MatMul `yes.mm`, else MatMul `no.mm`.
  private static func conditional() throws -> Model {
    func type(_ width: Int) -> ValueType {
      .tensor(TensorType(.float32, [.symbol("batch"), .known(width)]))
    }
    var graph = Graph(name: "test")
    let x = graph.addValue(Value(name: "x", type: type(8)))
    let flag = graph.addValue(Value(name: "flag", type: .tensor(TensorType(.bool, []))))
    graph.inputs = [x, flag]
    let weight = try Tensor(shape: [8, 8], TestModels.numbers(64, seed: 1))
    let w = graph.addValue(Value(name: "w", constant: weight))
    let hidden = graph.addValue(Value(name: "hidden"))
    let y = graph.addValue(Value(name: "y", type: type(4)))
    func body(_ name: String, seed: UInt64) throws -> Graph {
      var body = Graph(name: name)
      let inner = body.addValue(Value(name: "hidden"))
      body.captures = [Capture(outer: hidden, inner: inner)]
      let weight = try Tensor(shape: [8, 4], TestModels.numbers(32, seed: seed))
      let w = body.addValue(Value(name: "\(name).w", constant: weight))
      let output = body.addValue(Value(name: "\(name).y", type: type(4)))
      body.nodes = [Node(name: "\(name).mm", op: "MatMul", inputs: [inner, w], outputs: [output])]
      body.outputs = [output]
      return body
    }
    graph.nodes = [
      Node(name: "before", op: "MatMul", inputs: [x, w], outputs: [hidden]),
      Node(
        name: "choice", op: "If", inputs: [flag], outputs: [y],
        attributes: [
          "then_branch": .graph(try body("yes", seed: 2)), "else_branch": .graph(try body("no", seed: 3)),
        ]),
    ]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 8, opsets: ["": 17])
  }

  @Test func theOpsetIsWhatTheCodesNeed() throws {
    let expected: [(QuantizeStep.Weights, QuantizeStep.Granularity, Int)] = [
      (.int8, .channel, 17), (.int8, .group, 21), (.int4, .channel, 21), (.fp8, .channel, 19),
      (.ternary, .channel, 25), (.bf16, .channel, 17),
    ]
    for (weights, granularity, opset) in expected {
      let result = try apply(step(weights, granularity), to: try TestModels.mlp()).model
      #expect(result.opsets[""] == opset, "\(weights)")
    }
  }

  @Test func otherStepsSayThatTablesAreNotTheirs() throws {
    let model = try Self.table(rows: 96, width: 12)
    var ledger = LayerLedger(model)
    var result = model
    let context = StepContext(
      path: "steps[0]", calibration: nil, others: [:], resources: TestModels.resources(), memory: 1 << 20)
    try QuantizationPass(steps: [(QuantizeStep(activations: .dynamic), "steps[0]")])
      .apply(to: &result, &ledger, context)
    ledger.endStep()
    try PruneStep(sparsity: 0.5).apply(to: &result, &ledger, context)
    ledger.endStep()
    let reason = "the weights of Gather are only taken by quantize with activations none"
    #expect(ledger.reports { _, _ in }.map(\.noOp) == [[reason, reason]])
  }

  private static func table(rows: Int, width: Int) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .symbol("tokens")], .int64)
    let y = builder.node("Gather", "embedding", [try builder.constant("table", [rows, width], seed: 1), x])
    return builder.model(output: y, [.symbol("batch"), .symbol("tokens"), .known(width)])
  }

  private static func slicedTable(axis: Int64) throws -> Model {
    var builder = GraphBuilder()
    let end = builder.input("end", [.known(1)], .int64)
    let table = try builder.constant("table", [96, 48], seed: 1)
    let start = builder.constant("start", try Tensor(shape: [1], [0] as [Int64]))
    let axes = builder.constant("axes", try Tensor(shape: [1], [axis]))
    let y = builder.node("Slice", "positions", [table, start, end, axes])
    return builder.model(output: y, [.unknown, .unknown])
  }
}
