import Engine
import GraphIR
import Tensors

/// The layers of a model cut out of it: each computes its output from an input that it is given, not from what the
/// layers before it make of theirs.
struct LayerwiseModel {
  private let runner: ModelRunner

  /// - Parameters:
  ///   - layers: activations and outputs, each with the rank of the activation. Layers may share activations.
  /// - Throws: `CompressionError.model` when what is cut out does not compile.
  init(
    _ model: Model, _ layers: [(activation: ValueID, rank: Int, output: ValueID)], _ resources: Resources
  ) throws(CompressionError) {
    var cut = model
    var renamed: [ValueID: ValueID] = [:]
    let given = Set(model.graph.requiredInputs)
    for layer in layers where !given.contains(layer.activation) && renamed[layer.activation] == nil {
      let value = model.graph[layer.activation]
      renamed[layer.activation] = cut.graph.addValue(Value(name: "\(value.name)/computed", type: value.type))
      cut.graph[layer.activation].type = .tensor(
        TensorType(.float32, [Dimension](repeating: .unknown, count: layer.rank)))
      cut.graph.inputs.append(layer.activation)
    }
    for index in cut.graph.nodes.indices {
      cut.graph.nodes[index].outputs = cut.graph.nodes[index].outputs.map { renamed[$0] ?? $0 }
    }
    var outputs: [ValueID] = []
    for layer in layers { outputs.append(renamed[layer.output] ?? layer.output) }
    cut.graph.outputs = outputs
    added = cut.graph.requiredInputs.filter { renamed[$0] != nil }
    runner = try ModelRunner(cut, resources, weightForm: .dense)
  }

  /// The activations that `outputs` takes beside the model's own inputs.
  let added: [ValueID]

  /// The outputs of the layers, in their order.
  func outputs(_ inputs: [Tensor], activations: [Tensor]) throws(CompressionError) -> [Tensor] {
    try runner.run(inputs + activations)
  }
}
