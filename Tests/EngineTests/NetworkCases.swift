import GraphIR
import Tensors

@testable import Engine

/// Small networks that use many operators together.
enum NetworkCases {
  /// Convolution, depthwise convolution, pooling, normalization, classifier; x is `[n, 3, 12, 12]`.
  static func convolutional() throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 5)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(3), .known(12), .known(12)])
    let pads: Attributes = ["pads": .ints([1, 1, 1, 1])]
    let first = builder.node(
      "Conv",
      [x, builder.constant(try numbers.tensor([8, 3, 3, 3])), builder.constant(try numbers.tensor([8]))],
      attributes: pads)[0]
    let relu = builder.node("Relu", [first])[0]
    let depthwise = builder.node(
      "Conv", [relu, builder.constant(try numbers.tensor([8, 1, 3, 3]))],
      attributes: ["pads": .ints([1, 1, 1, 1]), "group": .int(8)])[0]
    let pooled = builder.node(
      "MaxPool", [depthwise], attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])[0]
    let sum = builder.node("Add", [pooled, builder.node("Sigmoid", [pooled])[0]])[0]
    let mean = builder.node("GlobalAveragePool", [sum])[0]
    let flat = builder.node("Flatten", [mean])[0]
    let logits = builder.node(
      "Gemm",
      [flat, builder.constant(try numbers.tensor([8, 5])), builder.constant(try numbers.tensor([5]))])[0]
    builder.output(builder.node("Softmax", [logits])[0])
    return builder
  }

  /// One self-attention block; x is `[n, t, 16]`.
  static func attention() throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 9)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .symbol("t"), .known(16)])
    let target = builder.constant(try Tensor(shape: [4], [0, 0, 4, 4]))
    var heads: [ValueID] = []
    for _ in 0..<3 {
      let projected = builder.node("MatMul", [x, builder.constant(try numbers.tensor([16, 16]))])[0]
      let biased = builder.node("Add", [projected, builder.constant(try numbers.tensor([16]))])[0]
      let split = builder.node("Reshape", [biased, target])[0]
      heads.append(builder.node("Transpose", [split], attributes: ["perm": .ints([0, 2, 1, 3])])[0])
    }
    let keys = builder.node("Transpose", [heads[1]], attributes: ["perm": .ints([0, 1, 3, 2])])[0]
    let scores = builder.node("MatMul", [heads[0], keys])[0]
    let scaled = builder.node("Mul", [scores, builder.constant(try Tensor(scalar: Float(0.5)))])[0]
    let weighted = builder.node("MatMul", [builder.node("Softmax", [scaled])[0], heads[2]])[0]
    let merged = builder.node("Transpose", [weighted], attributes: ["perm": .ints([0, 2, 1, 3])])[0]
    let flat = builder.node("Reshape", [merged, builder.constant(try Tensor(shape: [3], [0, 0, 16]))])[0]
    let sum = builder.node("Add", [flat, x])[0]
    builder.output(
      builder.node(
        "LayerNormalization",
        [sum, builder.constant(try numbers.tensor([16])), builder.constant(try numbers.tensor([16]))])[0])
    return builder
  }
}
