import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct ScaleShiftTests {
  /// BatchNormalization of a graph input, Mul and Add of one number for each channel, Relu.
  private static func builder(_ dimensions: [Dimension], constantRank: Int) throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 11)
    var builder = GraphBuilder()
    var value = builder.input("x", .float32, dimensions)
    let channels = dimensions[1].extent ?? 0
    let positive = try Tensor(shape: [channels], (0..<channels).map { _ in abs(numbers.next()) + 0.1 })
    let parameters = try (0..<3).map { _ in builder.constant(try numbers.tensor([channels])) }
    value = builder.node("BatchNormalization", [value] + parameters + [builder.constant(positive)])[0]
    let perChannel = Shape(
      (0..<constantRank).map { $0 == constantRank - dimensions.count + 1 ? channels : 1 })
    value = builder.node("Mul", [value, builder.constant(try numbers.tensor(perChannel))])[0]
    value = builder.node("Add", [builder.constant(try numbers.tensor(perChannel)), value])[0]
    value = builder.node("Mul", [value, builder.constant(try Tensor(shape: [1], [Float(2)]))])[0]
    builder.output(builder.node("Relu", [value])[0])
    return builder
  }

  struct Case: Sendable {
    let dimensions: [Int]
    let constantRank: Int
  }

  static let cases = [
    Case(dimensions: [2, 3, 5, 7], constantRank: 3), Case(dimensions: [2, 3, 5, 7], constantRank: 4),
    Case(dimensions: [3, 5], constantRank: 1), Case(dimensions: [1, 4, 2049], constantRank: 3),
    Case(dimensions: [0, 3, 2, 2], constantRank: 3),
  ]

  @Test(arguments: cases) func isOneNodeAndComputesTheSame(_ row: Case) throws {
    let dimensions = row.dimensions.enumerated().map { $0 == 0 ? Dimension.symbol("n") : .known($1) }
    let builder = try Self.builder(dimensions, constantRank: row.constantRank)
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    #expect(fused.nodes.map(\.node.op) == [FusedOperator.scaleShift])
    var numbers = NumberSequence(seed: 12)
    let x = try numbers.tensor(Shape(row.dimensions))
    let results = try [fused, plain].map { program in
      try [1, 3].map { threads in
        try Session(program, team: ThreadTeam(threads: threads)).run([x])[0].array(of: Float.self)
      }
    }
    #expect(results[0][0] == results[0][1])
    #expect(zip(results[0][0], results[1][0]).allSatisfy { abs($0 - $1) <= 4e-6 * max(1, abs($1)) })
  }

  /// A constant that broadcasts along another axis stays a Mul.
  @Test func otherAxesStay() throws {
    var numbers = NumberSequence(seed: 13)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(3), .known(3)])
    let parameters = try (0..<4).map { _ in
      builder.constant(try Tensor(shape: [3], (0..<3).map { _ in abs(numbers.next()) }))
    }
    let normalized = builder.node("BatchNormalization", [x] + parameters)[0]
    builder.output(builder.node("Mul", [normalized, builder.constant(try numbers.tensor([3]))])[0])
    #expect(try builder.program().nodes.map(\.node.op) == [FusedOperator.scaleShift, "Mul"])
  }
}
