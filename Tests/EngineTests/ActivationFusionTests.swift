import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct ActivationFusionTests {
  enum Spelling: CaseIterable, Sendable {
    case erf, erfHalfFirst, erfHalfGate, tanh, tanhByProducts, silu, quickGelu, hardSwish
  }

  /// A product and a function of each element as exporters spell it: one node.
  @Test(arguments: Spelling.allCases) func isPartOfTheProduct(spelling: Spelling) throws {
    var numbers = NumberSequence(seed: 41)
    var builder = GraphBuilder()
    let input = builder.input("x", .float32, [.symbol("n"), .known(9)])
    let x = builder.node("MatMul", [input, builder.constant(try numbers.tensor([9, 17]))])[0]
    func number(_ value: Float) throws -> ValueID { builder.constant(try Tensor(scalar: value)) }
    func binary(_ op: OperatorName, _ a: ValueID, _ b: ValueID) -> ValueID { builder.node(op, [a, b])[0] }
    func gate(_ spelling: Spelling) throws -> ValueID {
      var argument = binary("Div", x, try number(Float(2).squareRoot()))
      if spelling == .tanh || spelling == .tanhByProducts {
        let cube =
          spelling == .tanh ? binary("Pow", x, try number(3)) : binary("Mul", x, binary("Mul", x, x))
        argument = binary(
          "Mul", try number(0.7978845608), binary("Add", x, binary("Mul", cube, try number(0.044715))))
        return binary("Add", try number(1), builder.node("Tanh", [argument])[0])
      }
      return binary("Add", builder.node("Erf", [argument])[0], try number(1))
    }
    let result: ValueID
    switch spelling {
    case .erf: result = binary("Mul", binary("Mul", x, try gate(spelling)), try number(0.5))
    case .erfHalfGate: result = binary("Mul", x, binary("Mul", try number(0.5), try gate(spelling)))
    case .erfHalfFirst, .tanh, .tanhByProducts:
      result = binary("Mul", binary("Mul", try number(0.5), x), try gate(spelling))
    case .silu: result = binary("Mul", x, builder.node("Sigmoid", [x])[0])
    case .quickGelu:
      result = binary("Mul", builder.node("Sigmoid", [binary("Mul", x, try number(1.702))])[0], x)
    case .hardSwish:
      let gate = builder.node(
        "HardSigmoid", [x], attributes: ["alpha": .float(1.0 / 6), "beta": .float(0.5)])
      result = binary("Mul", x, gate[0])
    }
    builder.output(result)
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    #expect(fused.nodes.map(\.node.op) == [FusedOperator.matMul])
    let tensor = try numbers.tensor([7, 9])
    let results = try [fused, plain].map {
      try Session($0, team: ThreadTeam(threads: 2)).run([tensor])[0].array(of: Float.self)
    }
    #expect(zip(results[0], results[1]).allSatisfy { abs($0 - $1) <= 2e-6 * max(1, abs($1)) })
  }

  /// Other numbers in the same places are another function.
  @Test func otherNumbersStay() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(4)])
    let scaled = builder.node("Div", [x, builder.constant(try Tensor(scalar: Float(2)))])[0]
    let sum = builder.node(
      "Add", [builder.node("Erf", [scaled])[0], builder.constant(try Tensor(scalar: Float(1)))])[0]
    let product = builder.node("Mul", [x, sum])[0]
    builder.output(builder.node("Mul", [product, builder.constant(try Tensor(scalar: Float(0.5)))])[0])
    #expect(try builder.program().nodes.map(\.node.op) == ["Div", "Erf", "Add", "Mul", "Mul"])
  }
}
