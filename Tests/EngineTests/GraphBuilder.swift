import GraphIR
import Tensors

@testable import Engine

/// Makes small models for tests.
struct GraphBuilder {
  private(set) var graph = Graph(name: "test")

  mutating func input(_ name: String, _ element: ElementType, _ dimensions: [Dimension]) -> ValueID {
    let id = graph.addValue(Value(name: name, type: .tensor(TensorType(element, dimensions))))
    graph.inputs.append(id)
    return id
  }

  mutating func constant(_ tensor: Tensor) -> ValueID {
    graph.addValue(Value(name: "c\(graph.values.count)", constant: tensor))
  }

  mutating func node(
    _ op: OperatorName, _ inputs: [ValueID], outputs count: Int = 1, attributes: Attributes = [:]
  ) -> [ValueID] {
    let outputs = (0..<count).map { _ in graph.addValue(Value(name: "v\(graph.values.count)")) }
    graph.nodes.append(
      Node(name: "n\(graph.nodes.count)", op: op, inputs: inputs, outputs: outputs, attributes: attributes))
    return outputs
  }

  mutating func output(_ ids: ValueID...) { graph.outputs += ids }

  func model() -> Model { Model(graph: graph, irVersion: 11, opsets: ["": 25]) }

  func program(
    fuse: Bool = true, dynamicQuantization: DynamicQuantization = .perTensor,
    weightForm: WeightFormKind? = nil
  ) throws -> Program {
    var options = CompileOptions()
    options.fuse = fuse
    options.dynamicQuantization = dynamicQuantization
    options.weightForm = weightForm
    return try Program.compile(model(), options: options)
  }
}

/// Numbers that look random and are the same in every run.
struct NumberSequence {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 2 &+ 1 }

  /// Between -1 and 1.
  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
  }

  mutating func tensor(_ shape: Shape) throws -> Tensor {
    try Tensor(shape: shape, (0..<shape.elementCount).map { _ in next() })
  }

  /// int8 elements.
  mutating func bytes(_ shape: Shape) throws -> Tensor {
    try Tensor(shape: shape, (0..<shape.elementCount).map { _ in Int8(next() * 127) })
  }
}
