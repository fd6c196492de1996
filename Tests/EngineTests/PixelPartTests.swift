import GraphIR
import Tensors
import Testing

@testable import Engine

/// Concats of channels whose inputs are written in place, and shuffles that cost nothing.
@Suite struct PixelPartTests {
  private static func parts(_ program: Program, _ shape: Shape) throws -> Int {
    var planner = Planner(program, shapes: [shape], team: ThreadTeam(threads: 1))
    try planner.walk()
    return MemorySharing(planner).pixels.parts.count
  }

  private static func image(_ builder: inout GraphBuilder, channels: Int) -> ValueID {
    builder.input("x", .float32, [.symbol("n"), .known(channels), .known(9), .known(7)])
  }

  private static func convolution(
    _ builder: inout GraphBuilder, _ numbers: inout NumberSequence, _ x: ValueID, _ shape: Shape,
    group: Int = 1
  ) throws -> ValueID {
    let weight = builder.constant(try numbers.tensor(shape))
    let bias = builder.constant(try numbers.tensor([shape[0]]))
    let pad = shape[2] / 2
    return builder.node(
      "Conv", [x, weight, bias], attributes: ["pads": .ints([pad, pad, pad, pad]), "group": .int(group)])[0]
  }

  /// Two branches from one squeezed image.
  @Test func branches() throws {
    var numbers = NumberSequence(seed: 31)
    var builder = GraphBuilder()
    let x = Self.image(&builder, channels: 5)
    let squeezed = try Self.convolution(&builder, &numbers, x, [8, 5, 1, 1])
    var branches: [ValueID] = []
    for size in [1, 3] {
      branches.append(
        builder.node("Relu", [try Self.convolution(&builder, &numbers, squeezed, [12, 8, size, size])])[0])
    }
    branches.append(
      builder.node(
        "MaxPool", [squeezed], attributes: ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])])[0])
    let joined = builder.node("Concat", branches, attributes: ["axis": .int(1)])[0]
    builder.output(try Self.convolution(&builder, &numbers, joined, [4, 32, 1, 1]))
    #expect(try Self.parts(LayoutTests.check(builder, [2, 5, 9, 7]), [2, 5, 9, 7]) == 3)
  }

  /// Each layer reads all that came before it and adds to it.
  @Test func denseBlock() throws {
    var numbers = NumberSequence(seed: 32)
    var builder = GraphBuilder()
    let x = Self.image(&builder, channels: 5)
    var joined = try Self.convolution(&builder, &numbers, x, [6, 5, 1, 1])
    for layer in 0..<3 {
      let channels = 6 + 4 * layer
      let parameters = try (0..<3).map { _ in builder.constant(try numbers.tensor([channels])) }
      let variance = try Tensor(shape: [channels], (0..<channels).map { _ in abs(numbers.next()) + 0.5 })
      let scaled = builder.node("BatchNormalization", [joined] + parameters + [builder.constant(variance)])[0]
      let relu = builder.node("Relu", [scaled])[0]
      let added = try Self.convolution(&builder, &numbers, relu, [4, channels, 3, 3])
      joined = builder.node("Concat", [joined, added], attributes: ["axis": .int(1)])[0]
    }
    builder.output(try Self.convolution(&builder, &numbers, joined, [4, 18, 1, 1]))
    // Every input of the three Concats.
    #expect(try Self.parts(LayoutTests.check(builder, [2, 5, 9, 7]), [2, 5, 9, 7]) == 6)
  }

  /// What the graph gives out, what an operator reads that knows no gaps, and what is joined twice is copied.
  @Test func othersAreCopied() throws {
    var numbers = NumberSequence(seed: 33)
    var builder = GraphBuilder()
    let x = Self.image(&builder, channels: 5)
    let a = try Self.convolution(&builder, &numbers, x, [6, 5, 3, 3])
    let b = builder.node("Neg", [try Self.convolution(&builder, &numbers, a, [6, 6, 1, 1])])[0]
    let softmax = builder.node("Softmax", [a], attributes: ["axis": .int(1)])[0]
    let joined = builder.node("Concat", [a, b, b, softmax], attributes: ["axis": .int(1)])[0]
    builder.output(try Self.convolution(&builder, &numbers, joined, [4, 24, 1, 1]))
    #expect(try Self.parts(LayoutTests.check(builder, [2, 5, 9, 7]), [2, 5, 9, 7]) == 0)
  }

  /// ShuffleNet's unit: grouped convolution, shuffle, depthwise convolution, grouped convolution.
  @Test func shuffles() throws {
    var numbers = NumberSequence(seed: 34)
    var builder = GraphBuilder()
    let x = Self.image(&builder, channels: 6)
    let first = builder.node("Relu", [try Self.convolution(&builder, &numbers, x, [12, 2, 1, 1], group: 3)])[
      0]
    let split = builder.node(
      "Reshape", [first, builder.constant(try Tensor(shape: [5], [-1, 3, 4, 9, 7]))])[0]
    let swapped = builder.node("Transpose", [split], attributes: ["perm": .ints([0, 2, 1, 3, 4])])[0]
    let back = builder.node("Reshape", [swapped, builder.constant(try Tensor(shape: [4], [-1, 12, 9, 7]))])[0]
    let depthwise = try Self.convolution(&builder, &numbers, back, [12, 1, 3, 3], group: 12)
    builder.output(try Self.convolution(&builder, &numbers, depthwise, [6, 4, 1, 1], group: 3))
    let program = try LayoutTests.check(builder, [2, 6, 9, 7])
    #expect(program.nodes.map(\.node.op).filter { $0 == FusedOperator.convNHWC }.count == 3)
    #expect(program.nodes.map(\.node.op).filter { $0 == "Reshape" }.isEmpty)
    #expect(program.nodes.contains { $0.node.attributes.int(FusedOperator.shuffle) == 3 })
  }
}
