import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

/// Small models with seeded weights.
enum TestModels {
  /// Numbers in −1…1, equal on every machine.
  static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
    }
  }

  /// `x [batch, 8]` → Gemm `fc1` → Relu → Gemm `fc2` → `y [batch, 4]`.
  static func mlp(isTransposed: Bool = false, alpha: Float = 1, beta: Float = 1) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let first = try builder.constant("fc1.weight", isTransposed ? [16, 8] : [8, 16], seed: 1)
    let firstBias = try builder.constant("fc1.bias", [16], seed: 2)
    let second = try builder.constant("fc2.weight", isTransposed ? [4, 16] : [16, 4], seed: 3)
    let secondBias = try builder.constant("fc2.bias", [4], seed: 4)
    let attributes: Attributes = [
      "transB": .int(isTransposed ? 1 : 0), "alpha": .float(alpha), "beta": .float(beta),
    ]
    let hidden = builder.node("Gemm", "fc1", [x, first, firstBias], attributes)
    let relu = builder.node("Relu", "relu1", [hidden])
    let y = builder.node("Gemm", "fc2", [relu, second, secondBias], attributes)
    return builder.model(output: y, [.symbol("batch"), .known(4)])
  }

  /// `x [batch, 8]` → MatMul `mm` → Add → `y`.
  static func matMulAdd() throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let weight = try builder.constant("weight", [8, 4], seed: 5)
    let bias = try builder.constant("bias", [4], seed: 6)
    let product = builder.node("MatMul", "mm", [x, weight])
    let y = builder.node("Add", "add", [product, bias])
    return builder.model(output: y, [.symbol("batch"), .known(4)])
  }

  /// `x [batch, 2, 6, 6]` → Conv `conv1` → Relu → MaxPool → Flatten → Gemm `fc` → `y [batch, 3]`.
  static func cnn() throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(6), .known(6)])
    let kernel = try builder.constant("conv1.weight", [4, 2, 3, 3], seed: 7)
    let kernelBias = try builder.constant("conv1.bias", [4], seed: 8)
    let weight = try builder.constant("fc.weight", [36, 3], seed: 9)
    let bias = try builder.constant("fc.bias", [3], seed: 10)
    let conv = builder.node(
      "Conv", "conv1", [x, kernel, kernelBias],
      ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])])
    let relu = builder.node("Relu", "relu", [conv])
    let pool = builder.node(
      "MaxPool", "pool", [relu], ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    let flat = builder.node("Flatten", "flat", [pool])
    let y = builder.node("Gemm", "fc", [flat, weight, bias])
    return builder.model(output: y, [.symbol("batch"), .known(3)])
  }

  /// A dataset for `x` whose labels are the model's own answers.
  static func dataset(for model: Model, rows: Int, inner: [Int]) throws -> Dataset {
    let count = rows * inner.reduce(1, *)
    let x = try Tensor(shape: Shape([rows] + inner), numbers(count, seed: 99))
    let output = try run(model, x)
    let scores = try #require(ClassScores(output, rows: rows))
    let labels = try Tensor(shape: [rows], (0..<rows).map { Int64(scores.argmax($0)) })
    return try Dataset([("x", x), ("labels", labels)])
  }

  static func run(_ model: Model, _ x: Tensor) throws -> Tensor {
    let session = Session(try Program.compile(model), team: ThreadTeam(threads: 1))
    return try session.run([x])[0]
  }

  static func silentMeter() -> ProgressMeter { ProgressMeter { _ in true } }

  static func resources() -> Resources { Resources(team: ThreadTeam(threads: 1), meter: silentMeter()) }
}

/// Puts a graph together node by node; every node has one output, named after it.
struct GraphBuilder {
  private var graph = Graph(name: "test")

  mutating func input(
    _ name: String, _ dimensions: [Dimension], _ element: ElementType = .float32
  ) -> ValueID {
    let id = graph.addValue(Value(name: name, type: .tensor(TensorType(element, dimensions))))
    graph.inputs.append(id)
    return id
  }

  mutating func constant(_ name: String, _ shape: Shape, seed: UInt64) throws -> ValueID {
    constant(name, try Tensor(shape: shape, TestModels.numbers(shape.elementCount, seed: seed)))
  }

  mutating func constant(_ name: String, _ tensor: Tensor) -> ValueID {
    graph.addValue(
      Value(name: name, type: .tensor(TensorType(tensor.type, shape: tensor.shape)), constant: tensor))
  }

  mutating func node(
    _ op: OperatorName, _ name: String, _ inputs: [ValueID], _ attributes: Attributes = [:]
  ) -> ValueID {
    let output = graph.addValue(Value(name: "\(name).out"))
    graph.nodes.append(Node(name: name, op: op, inputs: inputs, outputs: [output], attributes: attributes))
    return output
  }

  /// A node of several outputs, named `name.0`, `name.1` and so on.
  mutating func node(
    _ op: OperatorName, _ name: String, _ inputs: [ValueID], outputs count: Int,
    _ attributes: Attributes = [:]
  ) -> [ValueID] {
    let outputs = (0..<count).map { graph.addValue(Value(name: "\(name).\($0)")) }
    graph.nodes.append(Node(name: name, op: op, inputs: inputs, outputs: outputs, attributes: attributes))
    return outputs
  }

  consuming func model(output: ValueID, _ dimensions: [Dimension], opset: Int = 17) -> Model {
    graph[output].type = .tensor(TensorType(.float32, dimensions))
    graph.outputs = [output]
    return Model(graph: graph, irVersion: 8, opsets: ["": opset])
  }
}
