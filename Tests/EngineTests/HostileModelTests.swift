import GraphIR
import Tensors
import Testing

@testable import Engine

/// Whole models that would recurse, grow or nest without bounds.
@Suite struct HostileModelTests {
  /// A function of one input that calls `called`, one after the other.
  private func function(_ name: OperatorName, calls called: [OperatorName]) -> Function {
    var body = Graph(name: name.type)
    var last = body.addValue(Value(name: "a"))
    body.inputs = [last]
    for (index, op) in called.enumerated() {
      let next = body.addValue(Value(name: "v\(index)"))
      body.nodes.append(Node(name: "n\(index)", op: op, inputs: [last], outputs: [next]))
      last = next
    }
    body.outputs = [last]
    var function = Function(op: name, body: body)
    function.opsets = ["": 25, "my": 1]
    return function
  }

  private func model(calling op: OperatorName, _ functions: [Function]) -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.unknown])
    builder.output(builder.node(op, [x])[0])
    var model = builder.model()
    model.opsets["my"] = 1
    model.functions = functions
    return model
  }

  @Test func functionsThatCallEachOtherAreRefused() {
    let functions = [function("my.A", calls: ["my.B"]), function("my.B", calls: ["my.A"])]
    #expect {
      try Program.compile(model(calling: "my.A", functions))
    } throws: { "\($0)".contains("calls itself") }
  }

  /// 40 functions, each of which calls the one before twice: 2^40 nodes.
  @Test func functionsThatDoubleAreRefused() {
    var functions = [function("my.F0", calls: ["Neg", "Neg"])]
    for level in 1..<40 {
      let below = OperatorName(domain: "my", type: "F\(level - 1)")
      functions.append(function(OperatorName(domain: "my", type: "F\(level)"), calls: [below, below]))
    }
    #expect {
      try Program.compile(model(calling: "my.F39", functions))
    } throws: { "\($0)".contains("too many nodes") }
  }

  @Test func aFunctionThatIsMissingIsNamed() {
    #expect(throws: EngineError.unsupportedOperator(node: "n0/n0", op: "my.Nothing")) {
      try Program.compile(model(calling: "my.A", [function("my.A", calls: ["my.Nothing"])]))
    }
  }
}
