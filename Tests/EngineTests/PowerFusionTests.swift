import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct PowerFusionTests {
  private static let values: [Float] = [
    0, -0.0, 1, -1, 3, -2.5, 0.1, 1e-30, -1e30, 3e38, .leastNonzeroMagnitude, .infinity, -.infinity, .nan,
    12.75, -7,
  ]

  private static func builder(_ exponent: Tensor) -> GraphBuilder {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(8)])
    builder.output(builder.node("Pow", [x, builder.constant(exponent)])[0])
    return builder
  }

  @Test(arguments: [(2, ["Mul"]), (3, ["Mul", "Mul"]), (-1, ["Reciprocal"])])
  func isSpelledByProducts(power: Int, ops: [String]) throws {
    let exponents = [try Tensor(scalar: Float(power)), try Tensor(shape: [1], [Int64(power)])]
    let x = try Tensor(shape: [2, 8], Self.values)
    for exponent in exponents {
      let builder = Self.builder(exponent)
      let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
      #expect(fused.nodes.map(\.node.op.type) == ops)
      #expect(plain.nodes.map(\.node.op.type) == ["Pow"])
      let results = try [fused, plain].map {
        try Session($0, team: ThreadTeam(threads: 1)).run([x])[0].array(of: Float.self)
      }
      for (a, b) in zip(results[0], results[1]) {
        let isClose = a == b || (a.isNaN && b.isNaN) || abs(a - b) <= 1.5 * b.ulp
        #expect(isClose && (a.sign == b.sign || a.isNaN), "\(a) for \(b)")
      }
    }
  }

  /// A square root differs at negative numbers, and an exponent of a higher rank gives the result its axes.
  @Test func otherPowersStay() throws {
    for exponent in [
      try Tensor(scalar: Float(0.5)), try Tensor(shape: [1, 1, 1], [Float(2)]),
      try Tensor(shape: [8], [Float](repeating: 2, count: 8)),
    ] {
      #expect(try Self.builder(exponent).program().nodes.map(\.node.op.type) == ["Pow"])
    }
  }
}
