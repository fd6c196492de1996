import GraphIR
import Tensors
import Testing

@testable import Engine

/// Products and col2im against plain loops in float64.
@Suite struct TransposedConvolutionTests {
  struct Shape: CustomTestStringConvertible, Sendable {
    var channels: Int
    var filters: Int
    var input: [Int]
    var kernel: [Int]
    var groups = 1
    var attributes: [String: [Int]] = [:]

    var testDescription: String { "\(channels)>\(filters) \(input) \(kernel) \(groups) \(attributes)" }
  }

  static let shapes = [
    Shape(channels: 2, filters: 1, input: [1], kernel: [1]),
    Shape(channels: 3, filters: 5, input: [7], kernel: [4], attributes: ["strides": [3]]),
    Shape(channels: 24, filters: 24, input: [10, 20], kernel: [2, 2], attributes: ["strides": [2, 2]]),
    Shape(
      channels: 17, filters: 6, input: [5, 9], kernel: [3, 4], groups: 1,
      attributes: ["strides": [2, 1], "pads": [1, 2, 0, 1], "dilations": [2, 3]]),
    Shape(
      channels: 4, filters: 3, input: [6, 6], kernel: [3, 3], groups: 2,
      attributes: ["strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]]),
    Shape(
      channels: 3, filters: 2, input: [4, 4], kernel: [2, 2],
      attributes: ["output_shape": [9, 7], "strides": [2, 2]]),
    // Several blocks of pixels, whose windows overlap.
    Shape(channels: 2, filters: 3, input: [61, 70], kernel: [3, 3], attributes: ["pads": [1, 1, 1, 1]]),
    // More rows than a product takes at once.
    Shape(channels: 5, filters: 40, input: [3, 3], kernel: [3, 3], attributes: ["strides": [2, 2]]),
    Shape(
      channels: 3, filters: 2, input: [3, 4, 5], kernel: [2, 3, 2], attributes: ["strides": [2, 1, 3]]),
    // Groups of one channel take plain loops.
    Shape(
      channels: 1, filters: 1, input: [6, 6], kernel: [4, 4], groups: 3, attributes: ["strides": [2, 2]]),
    // Nothing to read, though windows leave something to write.
    Shape(channels: 3, filters: 2, input: [0, 4], kernel: [3, 3]),
    // Strides that leave gaps.
    Shape(channels: 2, filters: 2, input: [4, 3], kernel: [1, 1], attributes: ["strides": [3, 2]]),
  ]

  @Test(arguments: shapes, [false, true])
  func isWhatPlainLoopsGive(shape: Shape, hasBias: Bool) throws {
    var numbers = NumberSequence(seed: 3)
    let batch = 2
    var weight = [shape.channels * shape.groups, shape.filters]
    weight += shape.kernel
    let x = try numbers.tensor(Tensors.Shape([batch, shape.channels * shape.groups] + shape.input))
    let constants =
      [try numbers.tensor(Tensors.Shape(weight))]
      + (hasBias ? [try numbers.tensor([shape.filters * shape.groups])] : [])
    func run(_ type: ElementType, threads: Int) throws -> Tensor {
      var builder = GraphBuilder()
      func typed(_ tensor: Tensor) throws -> Tensor {
        type == .float32
          ? tensor : try Tensor(shape: tensor.shape, tensor.array(of: Float.self).map(Double.init))
      }
      let input = builder.input("x", type, x.shape.dimensions.map(Dimension.known))
      var attributes: Attributes = ["group": .int(shape.groups)]
      for (name, values) in shape.attributes { attributes[name] = .ints(values) }
      let inputs = [input] + (try constants.map { builder.constant(try typed($0)) })
      builder.output(builder.node("ConvTranspose", inputs, attributes: attributes)[0])
      return try Session(try builder.program(), team: ThreadTeam(threads: threads)).run([try typed(x)])[0]
    }
    let expected = try run(.float64, threads: 1)
    let (single, double) = (try run(.float32, threads: 1), try run(.float32, threads: 2))
    #expect(single.shape == expected.shape)
    #expect(single == double)
    let terms = Double(shape.channels * shape.kernel.reduce(1, *))
    let pairs = zip(single.array(of: Float.self), expected.array(of: Double.self))
    #expect(pairs.allSatisfy { abs(Double($0) - $1) <= terms * 4e-7 })
  }
}
