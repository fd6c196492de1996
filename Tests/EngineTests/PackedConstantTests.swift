import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct PackedConstantTests {
  private static let (depth, columns) = (1500, 2048)

  private static func program(isPacked: Bool) throws -> Program {
    let count = depth * columns
    var numbers = NumberSequence(seed: 5)
    let weight = (0..<count).map { $0 % 10 == 3 ? Int8(numbers.next() * 127) | 1 : 0 }
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(depth)])
    var codes = builder.constant(try Tensor(shape: [depth, columns], weight))
    if isPacked {
      var mask = [UInt8](repeating: 0, count: count / 8)
      for index in weight.indices where weight[index] != 0 { mask[index / 8] |= 1 << UInt8(index % 8) }
      let values = builder.constant(
        try Tensor(shape: [1 + weight.count { $0 != 0 }], [0] + weight.filter { $0 != 0 }))
      let one = builder.constant(try Tensor(shape: [1], [1]))
      let column = builder.node("Unsqueeze", [builder.constant(try Tensor(shape: [count / 8], mask)), one])[0]
      let places = builder.constant(try Tensor(shape: [8], (0..<8).map { UInt8($0) }))
      let shifted = builder.node("BitShift", [column, places], attributes: ["direction": .string("RIGHT")])[0]
      let masked = builder.node("BitwiseAnd", [shifted, builder.constant(try Tensor(scalar: UInt8(1)))])[0]
      let line = builder.constant(try Tensor(shape: [1], [-1]))
      let bits = builder.node(
        "Cast", builder.node("Reshape", [masked, line]), attributes: ["to": .int(7)])[0]
      let ranks = builder.node("CumSum", [bits, builder.constant(try Tensor(scalar: Int64(0)))])[0]
      let flat = builder.node("Gather", [values, builder.node("Mul", [ranks, bits])[0]])[0]
      let shape = builder.constant(try Tensor(shape: [2], [depth, columns]))
      codes = builder.node("Reshape", [flat, shape])[0]
    }
    let scales = builder.constant(try numbers.tensor([columns]))
    let w = builder.node("DequantizeLinear", [codes, scales], attributes: ["axis": .int(1)])[0]
    builder.output(builder.node("MatMul", [x, w])[0])
    return try builder.program()
  }

  /// As int64, what leads to so many elements is more than constant folding takes: it would be computed in every run.
  @Test func bitmaskOfThreeMillionWeights() throws {
    let program = try Self.program(isPacked: true)
    #expect(program.nodes.count == 1)
    var numbers = NumberSequence(seed: 6)
    let x = try numbers.tensor([2, Self.depth])
    let team = ThreadTeam(threads: 1)
    let actual = try Session(program, team: team).run([x])[0]
    let expected = try Session(try Self.program(isPacked: false), team: team).run([x])[0]
    #expect(actual.array(of: Float.self).contains { $0 != 0 })
    let isEqual = actual == expected
    #expect(isEqual)
  }
}
