import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct SpelledHardSwishTests {
  private static func scalar(_ value: Float, _ builder: inout GraphBuilder) throws -> ValueID {
    builder.constant(try Tensor(shape: [], [value]))
  }

  /// Clip(x + 3, 0, 6) with `other` as the upper limit.
  private static func clipped(
    _ x: ValueID, _ builder: inout GraphBuilder, upper: Float = 6
  ) throws -> ValueID {
    let sum = builder.node("Add", [x, try scalar(3, &builder)])[0]
    return builder.node("Clip", [sum, try scalar(0, &builder), try scalar(upper, &builder)])[0]
  }

  private static func spelled(_ form: String, _ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    let six = try scalar(6, &builder)
    let sixth = try scalar(1 / 6, &builder)
    switch form {
    case "quotient of the product":
      return builder.node("Div", [builder.node("Mul", [x, try clipped(x, &builder)])[0], six])[0]
    case "factor of the product":
      return builder.node("Mul", [sixth, builder.node("Mul", [try clipped(x, &builder), x])[0]])[0]
    case "quotient inside":
      return builder.node("Mul", [x, builder.node("Div", [try clipped(x, &builder), six])[0]])[0]
    case "factor inside":
      return builder.node("Mul", [builder.node("Mul", [try clipped(x, &builder), sixth])[0], x])[0]
    case "gate": return builder.node("Div", [try clipped(x, &builder), six])[0]
    case "other limit":
      let gate = try clipped(x, &builder, upper: 5)
      return builder.node("Div", [builder.node("Mul", [x, gate])[0], six])[0]
    default:
      let product = builder.node("Mul", [builder.node("Neg", [x])[0], try clipped(x, &builder)])[0]
      return builder.node("Div", [product, six])[0]
    }
  }

  @Test(arguments: [
    ("quotient of the product", "HardSwish"), ("factor of the product", "HardSwish"),
    ("quotient inside", "HardSwish"), ("factor inside", "HardSwish"), ("gate", "HardSigmoid"),
    ("other limit", nil), ("of another tensor", nil),
  ]) func forms(_ form: String, _ op: String?) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(9)])
    builder.output(try Self.spelled(form, x, &builder))
    let program = try builder.program()
    if let op {
      #expect(program.nodes.map(\.node.op.type) == [op])
    } else {
      #expect(program.nodes.contains { $0.node.op == "Clip" })
    }
    let values: [Float] = [-100, -3.5, -3, -1.25, 0, 0.5, 2.999, 3, 40]
    let input = try Tensor(shape: [1, 9], values)
    let team = ThreadTeam(threads: 1)
    let actual = try Session(program, team: team).run([input])[0].array(of: Float.self)
    let expected = try Session(try builder.program(fuse: false), team: team).run([input])[0]
      .array(of: Float.self)
    let close = zip(actual, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }
    #expect(close)
  }

  /// Each reader of the quantized tensor has a DequantizeLinear of its own, as quantizers write them; a scale and a
  /// shift follow. All of it is one table.
  @Test func quantizedOnBothSides() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .uint8, [.symbol("n"), .known(256)])
    let scale = try Self.scalar(0.05, &builder)
    let zeroPoint = builder.constant(try Tensor(shape: [], [UInt8(120)]))
    let readers = (0..<2).map { _ in builder.node("DequantizeLinear", [x, scale, zeroPoint])[0] }
    let gate = try Self.clipped(readers[0], &builder)
    let swish = builder.node(
      "Div", [builder.node("Mul", [readers[1], gate])[0], try Self.scalar(6, &builder)])[0]
    let scaled = builder.node("Mul", [swish, try Self.scalar(0.75, &builder)])[0]
    let shifted = builder.node("Add", [scaled, try Self.scalar(0.1, &builder)])[0]
    builder.output(builder.node("QuantizeLinear", [shifted, try Self.scalar(0.03, &builder), zeroPoint])[0])
    let program = try builder.program()
    #expect(program.nodes.map(\.node.op) == [FusedOperator.lookup])
    let input = try Tensor(shape: [1, 256], (0..<256).map { UInt8($0) })
    let team = ThreadTeam(threads: 1)
    let actual = try Session(program, team: team).run([input])[0].array(of: UInt8.self)
    let expected = try Session(try builder.program(fuse: false), team: team).run([input])[0]
      .array(of: UInt8.self)
    // The two ways to compute it may round to different sides.
    let close = zip(actual, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 }
    #expect(close)
    #expect(actual.count == 256)
  }

  /// Limits from the run; NaN stays, and the upper limit wins where they cross.
  @Test func clipOfFloats() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.known(5)])
    let low = builder.input("low", .float32, [])
    let high = builder.input("high", .float32, [])
    builder.output(builder.node("Clip", [x, low, high])[0])
    builder.output(builder.node("Clip", [x, .none, high])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    let values = try Tensor(shape: [5], [-2, Float.nan, 0.5, 7, .infinity])
    func clip(_ low: Float, _ high: Float) throws -> [[Float]] {
      try session.run([values, try Tensor(scalar: low), try Tensor(scalar: high)]).map {
        $0.array(of: Float.self)
      }
    }
    let within = try clip(-1, 3)
    #expect(within[0][0] == -1 && within[0][1].isNaN && Array(within[0][2...]) == [0.5, 3, 3])
    #expect(within[1][0] == -2 && within[1][1].isNaN && Array(within[1][2...]) == [0.5, 3, 3])
    let crossed = try clip(4, 1)[0]
    #expect([0, 2, 3, 4].allSatisfy { crossed[$0] == 1 })
  }
}
