import GraphIR
import Tensors
import Testing

@testable import Engine

struct ControlFlowTests {
  /// Loop whose body adds the captured `x` to its state and gives the state of each turn; `condition` is what the
  /// body gives.
  private func loop(
    _ x: Tensor, trips: Int?, start: Bool? = nil, condition: Bool = true,
    change: (inout CompileOptions) -> Void = { _ in }
  ) throws -> [RuntimeValue] {
    var body = Graph(name: "body")
    let turn = body.addValue(Value(name: "turn", type: .tensor(TensorType(.int64, []))))
    let isOn = body.addValue(Value(name: "on", type: .tensor(TensorType(.bool, []))))
    let state = body.addValue(Value(name: "state", type: .tensor(TensorType(.float32, [.known(1)]))))
    let inner = body.addValue(Value(name: "x"))
    let goesOn = body.addValue(Value(name: "goes_on", constant: try Tensor(scalar: condition)))
    let sum = body.addValue(Value(name: "sum"))
    body.inputs = [turn, isOn, state]
    body.nodes = [Node(name: "add", op: "Add", inputs: [state, inner], outputs: [sum])]
    body.outputs = [goesOn, sum, sum]

    var builder = GraphBuilder()
    let outer = builder.input("x", .float32, [.unknown])
    body.captures = [Capture(outer: outer, inner: inner)]
    let count = try trips.map { builder.constant(try Tensor(scalar: $0)) } ?? .none
    let flag = try start.map { builder.constant(try Tensor(scalar: $0)) } ?? .none
    let initial = builder.constant(floats([1], [0]))
    let outputs = builder.node(
      "Loop", [count, flag, initial], outputs: 2, attributes: ["body": .graph(body)])
    builder.output(outputs[0], outputs[1])
    var options = CompileOptions()
    change(&options)
    let program = try Program.compile(builder.model(), options: options)
    return try Session(program, team: ThreadTeam(threads: 1)).run(values: [.tensor(x)])
  }

  @Test func loopCarriesStateAndStacksResults() throws {
    // The state grows from one element to two in the first turn, whatever the body declares.
    let outputs = try loop(floats([1], [2]), trips: 3)
    #expect(outputs == [.tensor(floats([1], [6])), .tensor(floats([3, 1], [2, 4, 6]))])
    #expect(try loop(floats([2], [1, 2]), trips: 1)[0] == .tensor(floats([2], [1, 2])))
  }

  @Test func loopEndsByItsCondition() throws {
    #expect(try loop(floats([1], [2]), trips: nil, condition: false)[0] == .tensor(floats([1], [2])))
    #expect(try loop(floats([1], [2]), trips: 5, start: false)[0] == .tensor(floats([1], [0])))
  }

  @Test func loopWithoutTurnsGivesNoResults() throws {
    let outputs = try loop(floats([1], [2]), trips: 0)
    #expect(outputs[0] == .tensor(floats([1], [0])))
    #expect(outputs[1].tensor?.shape[0] == 0)
    #expect(outputs[1].tensor?.type == .float32)
  }

  @Test func endlessLoopIsBounded() throws {
    #expect {
      try loop(floats([1], [2]), trips: nil) { $0.loopTurnLimit = 10 }
    } throws: { "\($0)".contains("more than 10 turns") }
    #expect {
      try loop(floats([1], [2]), trips: nil) { $0.loopSecondsLimit = 0 }
    } throws: { "\($0)".contains("more than 0 seconds") }
    #expect {
      try loop(floats([1], [2]), trips: nil) { $0.tensorLimit = 100 }
    } throws: { if case EngineError.memoryLimit = $0 { true } else { false } }
  }

  @Test func nestedTooDeepIsRefused() throws {
    #expect {
      try loop(floats([1], [2]), trips: 1) { $0.bodyDepthLimit = 0 }
    } throws: { "\($0)".contains("nested too deep") }
  }

  @Test(arguments: [true, false])
  func ifTakesOneBranch(_ condition: Bool) throws {
    var builder = GraphBuilder()
    let flag = builder.input("flag", .bool, [])
    let x = builder.input("x", .float32, [.unknown])
    func branch(_ op: OperatorName) -> Graph {
      var body = Graph(name: op.type)
      let inner = body.addValue(Value(name: "x"))
      let result = body.addValue(Value(name: op.type))
      body.captures = [Capture(outer: x, inner: inner)]
      body.nodes = [Node(name: op.type, op: op, inputs: [inner], outputs: [result])]
      body.outputs = [result]
      return body
    }
    let chosen = builder.node(
      "If", [flag], attributes: ["then_branch": .graph(branch("Neg")), "else_branch": .graph(branch("Abs"))])
    builder.output(builder.node("Relu", chosen)[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    for _ in 0..<2 {
      let outputs = try session.run([try Tensor(scalar: condition), floats([2], [-1, 2])])
      #expect(outputs == [floats([2], condition ? [1, 0] : [1, 2])])
    }
  }

  @Test(arguments: [(0, 0, [0, 1, 3] as [Float]), (1, 0, [2, 3, 3]), (0, 1, [3, 1, 0])])
  func scanRunsBothWays(_ row: (input: Int, output: Int, sums: [Float])) throws {
    var body = Graph(name: "body")
    let state = body.addValue(Value(name: "state"))
    let item = body.addValue(Value(name: "item"))
    let sum = body.addValue(Value(name: "sum"))
    body.inputs = [state, item]
    body.outputs = [sum, sum]
    body.nodes = [Node(name: "add", op: "Add", inputs: [state, item], outputs: [sum])]
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.unknown])
    let initial = builder.constant(floats(.scalar, [0]))
    let outputs = builder.node(
      "Scan", [initial, x], outputs: 2,
      attributes: [
        "body": .graph(body), "num_scan_inputs": .int(1), "scan_input_directions": .ints([row.input]),
        "scan_output_directions": .ints([row.output]),
      ])
    builder.output(outputs[0], outputs[1])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    #expect(try session.run([counting([3])]) == [floats(.scalar, [3]), floats([3], row.sums)])
  }

  @Test func sequencesNeedValues() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.unknown])
    builder.output(builder.node("SequenceConstruct", [x, x])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    let value = RuntimeValue.tensor(floats([1], [1]))
    #expect(try session.run(values: [value]) == [.sequence([value, value])])
    #expect(throws: EngineError.self) { try session.run([floats([1], [1])]) }
    #expect(throws: EngineError.self) { try session.run(values: [.sequence([value])]) }
    #expect(throws: EngineError.self) { try session.run(values: []) }
  }

  @Test func localFunctionsAreInlined() throws {
    var body = Graph(name: "f")
    let input = body.addValue(Value(name: "a"))
    let result = body.addValue(Value(name: "b"))
    body.inputs = [input]
    body.outputs = [result]
    body.nodes = [
      Node(
        op: "LeakyRelu", inputs: [input], outputs: [result],
        attributes: ["alpha": .reference(name: "slope", kind: .float)])
    ]
    var function = Function(op: "my.Leaky", body: body)
    function.attributeNames = ["slope"]
    function.opsets = ["": 25]
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.unknown])
    let once = builder.node("my.Leaky", [x], attributes: ["slope": .float(0.5)])
    builder.output(builder.node("my.Leaky", once)[0])
    var model = builder.model()
    model.opsets["my"] = 1
    model.functions = [function]
    let session = Session(try Program.compile(model), team: ThreadTeam(threads: 1))
    // The second call leaves the attribute out: the operator's own default, 0.01, holds.
    #expect(try session.run([floats([2], [-4, 3])]) == [floats([2], [-2 * 0.01, 3])])
    model.functions[0].body.nodes[0].op = "my.Leaky"
    #expect(throws: EngineError.self) { try Program.compile(model) }
  }

  /// Until opset 8 axis 0 of everything was a batch, and each of its entries a scan of its own.
  @Test func scanOfOpset8() throws {
    var body = Graph(name: "body")
    let state = body.addValue(Value(name: "sum_in", type: .tensor(TensorType(.float32, []))))
    let next = body.addValue(Value(name: "next", type: .tensor(TensorType(.float32, []))))
    let factor = body.addValue(Value(name: "inner_factor"))
    let scaled = body.addValue(Value(name: "scaled"))
    let sum = body.addValue(Value(name: "sum"))
    let copy = body.addValue(Value(name: "copy"))
    body.inputs = [state, next]
    body.outputs = [sum, copy]
    body.nodes = [
      Node(name: "scale", op: "Mul", inputs: [next, factor], outputs: [scaled]),
      Node(name: "add", op: "Add", inputs: [state, scaled], outputs: [sum]),
      Node(name: "copy", op: "Identity", inputs: [sum], outputs: [copy]),
    ]
    var builder = GraphBuilder()
    let initial = builder.input("initial", .float32, [.unknown])
    let x = builder.input("x", .float32, [.unknown, .unknown])
    let outer = builder.input("factor", .float32, [])
    body.captures = [Capture(outer: outer, inner: factor)]
    let outputs = builder.node(
      "Scan", [.none, initial, x], outputs: 2,
      attributes: ["num_scan_inputs": .int(1), "directions": .ints([1]), "body": .graph(body)])
    builder.output(outputs[0], outputs[1])
    var model = builder.model()
    model.opsets = ["": 8]
    let session = Session(try Program.compile(model), team: ThreadTeam(threads: 1))
    let results = try session.run([
      floats([2], [0, 100]), floats([2, 3], [1, 2, 3, 4, 5, 6]), floats([], [10]),
    ])
    #expect(results == [floats([2], [60, 250]), floats([2, 3], [30, 50, 60, 160, 210, 250])])
  }
}
