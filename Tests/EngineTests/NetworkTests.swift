import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct NetworkTests {
  private static func run(_ program: Program, threads: Int, _ input: Tensor) throws -> [Float] {
    try Session(program, team: ThreadTeam(threads: threads)).run([input])[0].array(of: Float.self)
  }

  @Test func threadsDoNotChangeResults() throws {
    var numbers = NumberSequence(seed: 1)
    let image = try numbers.tensor([3, 3, 12, 12])
    let tokens = try numbers.tensor([2, 7, 16])
    let convolutional = try NetworkCases.convolutional().program()
    let attention = try NetworkCases.attention().program()
    for threads in 2...4 {
      #expect(
        try Self.run(convolutional, threads: 1, image) == Self.run(convolutional, threads: threads, image))
      #expect(try Self.run(attention, threads: 1, tokens) == Self.run(attention, threads: threads, tokens))
    }
  }

  @Test func batchesDoNotChangeRows() throws {
    var numbers = NumberSequence(seed: 2)
    let batch = try numbers.tensor([4, 3, 12, 12])
    let program = try NetworkCases.convolutional().program()
    #expect(program.batching == .rows)
    let together = try Self.run(program, threads: 1, batch)
    let elements = batch.array(of: Float.self)
    for row in 0..<4 {
      let single = try Tensor(shape: [1, 3, 12, 12], Array(elements[(row * 432)..<((row + 1) * 432)]))
      #expect(try Self.run(program, threads: 1, single) == Array(together[(row * 5)..<((row + 1) * 5)]))
    }
  }

  @Test func fusionDoesNotChangeResults() throws {
    var numbers = NumberSequence(seed: 3)
    let image = try numbers.tensor([2, 3, 12, 12])
    let tokens = try numbers.tensor([2, 5, 16])
    for (builder, input) in [
      (try NetworkCases.convolutional(), image), (try NetworkCases.attention(), tokens),
    ] {
      let fused = try builder.program(fuse: true)
      let plain = try builder.program(fuse: false)
      #expect(fused.nodes.map(\.node.op) != plain.nodes.map(\.node.op))
      let (a, b) = (try Self.run(fused, threads: 1, input), try Self.run(plain, threads: 1, input))
      #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 })
    }
  }

  /// A session that meets ever new shapes forgets old plans, and gives the same results when a shape comes back.
  @Test func thousandsOfShapes() throws {
    var numbers = NumberSequence(seed: 9)
    let program = try NetworkCases.attention().program()
    let session = Session(program, team: ThreadTeam(threads: 1))
    let first = try numbers.tensor([1, 3, 16])
    let expected = try session.run([first])[0].array(of: Float.self)
    for length in 1...1_500 {
      let rows = 1 + length % 3
      let output = try session.run([numbers.tensor([rows, 1 + length % 700, 16])])
      if output[0].shape.dimensions.first != rows { Issue.record("shape \(output[0].shape)") }
    }
    #expect(session.planCount == Session.planLimit)
    #expect(try session.run([first])[0].array(of: Float.self) == expected)
  }

  @Test func rowsThatMixAreNoBatch() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(3)])
    let mean = builder.node("ReduceMean", [x, builder.constant(try Tensor(shape: [1], [0]))])[0]
    builder.output(builder.node("Sub", [x, mean])[0])
    #expect(try !builder.program().batching.isAllowed)
    var softmax = GraphBuilder()
    let y = softmax.input("y", .float32, [.symbol("n"), .known(3)])
    softmax.output(softmax.node("Softmax", [y], attributes: ["axis": .int(0)])[0])
    #expect(try !softmax.program().batching.isAllowed)
  }
}
