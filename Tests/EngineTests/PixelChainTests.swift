import GraphIR
import Tensors
import Testing

@testable import Engine

/// Inverted residuals, which are computed in stripes of rows.
@Suite struct PixelChainTests {
  struct Block: Sendable, CustomStringConvertible {
    var height = 70
    var width = 40
    var channels = 8
    var inner = 48
    var kernel = 3
    var stride = 1
    var hasResidual = true
    var description: String { "\(height)x\(width) \(channels)>\(inner) \(kernel) s\(stride)" }
  }

  static let blocks = [
    Block(), Block(stride: 2, hasResidual: false), Block(kernel: 5), Block(height: 33, width: 111, inner: 40),
    Block(height: 201, width: 7, inner: 70, kernel: 7, stride: 3, hasResidual: false),
  ]

  @Test(arguments: blocks) func invertedResidual(_ block: Block) throws {
    var numbers = NumberSequence(seed: 41)
    var builder = GraphBuilder()
    let x = builder.input(
      "x", .float32, [.symbol("n"), .known(3), .known(block.height), .known(block.width)])
    let first = builder.constant(try numbers.tensor([block.channels, 3, 1, 1]))
    let image = builder.node("Conv", [x, first])[0]
    let six = try [0, 6].map { builder.constant(try Tensor(scalar: Float($0))) }
    let wide = builder.node(
      "Conv",
      [
        image, builder.constant(try numbers.tensor([block.inner, block.channels, 1, 1])),
        builder.constant(try numbers.tensor([block.inner])),
      ])[0]
    let pad = block.kernel / 2
    let deep = builder.node(
      "Conv",
      [
        builder.node("Clip", [wide] + six)[0],
        builder.constant(try numbers.tensor([block.inner, 1, block.kernel, block.kernel])),
        builder.constant(try numbers.tensor([block.inner])),
      ],
      attributes: [
        "group": .int(block.inner), "pads": .ints([pad, pad, pad, pad]),
        "strides": .ints([block.stride, block.stride]),
      ])[0]
    var narrow = builder.node(
      "Conv",
      [
        builder.node("Sigmoid", [deep])[0],
        builder.constant(try numbers.tensor([block.channels, block.inner, 1, 1])),
      ])[0]
    if block.hasResidual { narrow = builder.node("Add", [narrow, image])[0] }
    builder.output(narrow)
    let shape: Shape = [2, 3, block.height, block.width]
    let program = try LayoutTests.check(builder, shape)
    let operators = program.nodes.map(\.node.op)
    #expect(operators == [FusedOperator.convNHWC, FusedOperator.convChainNHWC, "Transpose"])
    let plain = try builder.program(fuse: false)
    let work = try (program.multiplyAccumulates([shape]), plain.multiplyAccumulates([shape]))
    #expect(work.0 == work.1)
  }
}
