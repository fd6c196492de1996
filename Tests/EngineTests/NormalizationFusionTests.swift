import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct NormalizationFusionTests {
  private static func check(_ builder: GraphBuilder, _ inputs: [Tensor], _ ops: [OperatorName]) throws {
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    #expect(fused.nodes.map(\.node.op) == ops)
    #expect(fused.batching.isAllowed == plain.batching.isAllowed)
    let expected = try Session(plain, team: ThreadTeam(threads: 1)).run(inputs)
    for threads in 1...3 {
      let actual = try Session(fused, team: ThreadTeam(threads: threads)).run(inputs)
      for (a, b) in zip(actual, expected) {
        #expect(a.shape == b.shape)
        let pairs = zip(a.array(of: Float.self), b.array(of: Float.self))
        #expect(pairs.allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) })
      }
    }
  }

  private static func inputs(_ width: Int) throws -> [Tensor] {
    var numbers = NumberSequence(seed: 31)
    return try (0..<2).map { _ in try numbers.tensor([2, 3, width]) }
  }

  /// LayerNormalization by ReduceMean, Sub, Pow or Mul, Sqrt, Div, Mul, Add.
  @Test(arguments: [true, false], [true, false]) func decomposed(powers: Bool, twice: Bool) throws {
    for width in [1, 15, 16, 65] {
      var numbers = NumberSequence(seed: 32)
      var builder = GraphBuilder()
      let x = builder.input("x", .float32, [.symbol("n"), .symbol("t"), .known(width)])
      let axes = builder.constant(try Tensor(shape: [1], [-1]))
      let mean = builder.node("ReduceMean", [x, axes])[0]
      let difference = builder.node("Sub", [x, mean])[0]
      let other = twice ? builder.node("Sub", [x, mean])[0] : difference
      let square =
        powers
        ? builder.node("Pow", [other, builder.constant(try Tensor(scalar: Float(2)))])[0]
        : builder.node("Mul", [other, other])[0]
      let variance = builder.node("ReduceMean", [square, axes])[0]
      let epsilon = builder.constant(try Tensor(scalar: Float(1e-5)))
      let root = builder.node("Sqrt", [builder.node("Add", [variance, epsilon])[0]])[0]
      let scaled = builder.node(
        "Mul", [builder.node("Div", [difference, root])[0], builder.constant(try numbers.tensor([width]))])[0]
      builder.output(builder.node("Add", [builder.constant(try numbers.tensor([width])), scaled])[0])
      try Self.check(builder, [try Self.inputs(width)[0]], ["LayerNormalization"])
    }
  }

  /// The sum of two tensors, normalized; others read the sum too when it is an output.
  @Test(arguments: [false, true], [1, 16, 33]) func residual(isShared: Bool, width: Int) throws {
    var numbers = NumberSequence(seed: 33)
    var builder = GraphBuilder()
    let dimensions: [Dimension] = [.symbol("n"), .symbol("t"), .known(width)]
    let ids = ["x", "residual"].map { builder.input($0, .float32, dimensions) }
    let sum = builder.node("Add", ids)[0]
    let parameters = try (0..<2).map { _ in builder.constant(try numbers.tensor([width])) }
    builder.output(builder.node("LayerNormalization", [sum] + parameters)[0])
    if isShared { builder.output(sum) }
    try Self.check(builder, try Self.inputs(width), [FusedOperator.addLayerNormalization])
  }

  /// A sum that is normalized twice is computed once, and one that broadcasts is left alone.
  @Test func whatStays() throws {
    var numbers = NumberSequence(seed: 34)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .symbol("t"), .known(4)])
    let other = builder.input("other", .float32, [.symbol("n"), .symbol("u"), .known(4)])
    let scale = builder.constant(try numbers.tensor([4]))
    let sum = builder.node("Add", [x, x])[0]
    for _ in 0..<2 { builder.output(builder.node("LayerNormalization", [sum, scale])[0]) }
    let wide = builder.node("Add", [x, other])[0]
    builder.output(builder.node("LayerNormalization", [wide, scale])[0])
    try Self.check(
      builder, try Self.inputs(4),
      [FusedOperator.addLayerNormalization, "LayerNormalization", "Add", "LayerNormalization"])
  }
}
