import Engine
import GraphIR
import Tensors

/// A model with some of its inner values laid open: a clone has them as further outputs.
struct ObservedModel {
  private enum Position {
    case input(Int)
    case output(Int)
  }

  private let runner: ModelRunner
  private let positions: [Position]

  /// - Throws: `CompressionError.model` when the clone does not compile.
  init(_ model: Model, _ values: [ValueID], _ resources: Resources) throws(CompressionError) {
    var clone = model
    let inputs = model.graph.requiredInputs
    var known = Set(model.graph.outputs + inputs)
    clone.graph.outputs += values.filter { known.insert($0).inserted }
    let outputs = clone.graph.outputs
    positions = values.map { value in
      if let output = outputs.firstIndex(of: value) { return .output(output) }
      guard let input = inputs.firstIndex(of: value) else {
        preconditionFailure("value \(model.graph[value].name) is neither input nor output")
      }
      return .input(input)
    }
    runner = try ModelRunner(clone, resources, weightForm: .dense)
  }

  var ports: [Port] { runner.program.inputs }

  /// The elements of the observed values, in their order.
  func values(for inputs: [Tensor]) throws(CompressionError) -> [Tensor] {
    let outputs = try runner.run(inputs)
    return positions.map { position in
      switch position {
      case .input(let index): inputs[index]
      case .output(let index): outputs[index]
      }
    }
  }
}
