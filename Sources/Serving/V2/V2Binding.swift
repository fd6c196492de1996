import GraphIR
import Tensors

/// A request held against a model: tensors in the model's order, outputs by index.
struct V2Binding: Sendable {
  /// In the model's order; nil for an optional input that was left out.
  let inputs: [Tensor?]
  /// In reply order.
  let outputs: [V2BoundOutput]
  let id: String
  /// From the request parameter `timeout`.
  let timeoutMicroseconds: Int?

  /// - Throws: `.invalidRequest` with the texts that Triton's clients know.
  init(_ request: V2InferRequest, to model: V2Signature) throws(ServingError) {
    id = request.id
    do throws(BindingError) {
      inputs = try Self.bindInputs(request.inputs, model)
      outputs = try Self.bindOutputs(request, model)
      timeoutMicroseconds = try Self.checkedParameters(request)
    } catch {
      let prefix = request.id.isEmpty ? "" : "[request id: \(request.id)] "
      throw .invalidRequest(reason: prefix + error.text)
    }
  }

  private struct BindingError: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }

  // MARK: Inputs

  private static func bindInputs(
    _ given: [V2InputTensor], _ model: V2Signature
  ) throws(BindingError) -> [Tensor?] {
    for input in given where !model.inputs.contains(where: { $0.name == input.name }) {
      throw BindingError("unexpected inference input '\(input.name)' for model '\(model.name)'")
    }
    var symbols: [String: (extent: Int, input: String)] = [:]
    var bound: [Tensor?] = []
    for port in model.inputs {
      let tensor = given.first { $0.name == port.name }?.tensor
      if let tensor {
        try check(tensor, port, model, &symbols)
      } else if !port.isOptional {
        throw missing(given, model)
      }
      bound.append(tensor)
    }
    return bound
  }

  private static func missing(_ given: [V2InputTensor], _ model: V2Signature) -> BindingError {
    let required = model.inputs.filter { !$0.isOptional }.map(\.name)
    let names = given.map(\.name)
    let absent = required.filter { !names.contains($0) }
    return BindingError(
      "expected \(required.count) inputs but got \(names.count) inputs for model '\(model.name)'. "
        + "Got input(s) \(list(names)), but missing required input(s) \(list(absent)). "
        + "Please provide all required input(s).")
  }

  private static func list(_ names: [String]) -> String {
    "[" + names.map { "'\($0)'" }.joined(separator: ",") + "]"
  }

  private static func check(
    _ tensor: Tensor, _ port: TensorPort, _ model: V2Signature,
    _ symbols: inout [String: (extent: Int, input: String)]
  ) throws(BindingError) {
    if tensor.type != port.element {
      throw BindingError(
        "inference input '\(port.name)' data-type is '\(tensor.type.v2Name)', but model '\(model.name)' expects "
          + "'\(port.element.v2Name)'")
    }
    guard let dimensions = port.dimensions else { return }
    let actual = tensor.shape.dimensions
    let fits =
      actual.count == dimensions.count
      && zip(actual, dimensions).allSatisfy { $1.extent == nil || $1.extent == $0 }
    if !fits {
      let expected = dimensions.map { String($0.extent ?? -1) }.joined(separator: ",")
      throw BindingError(
        "unexpected shape for input '\(port.name)' for model '\(model.name)'. Expected [\(expected)], got \(tensor.shape)."
      )
    }
    for (extent, dimension) in zip(actual, dimensions) {
      guard case .symbol(let symbol) = dimension else { continue }
      if let other = symbols[symbol], other.extent != extent {
        throw BindingError(
          "unexpected shape for input '\(port.name)' for model '\(model.name)': '\(symbol)' is \(extent) here and "
            + "\(other.extent) in input '\(other.input)'")
      }
      symbols[symbol] = (extent, port.name)
    }
  }

  // MARK: Outputs and parameters

  private static func bindOutputs(
    _ request: V2InferRequest, _ model: V2Signature
  ) throws(BindingError) -> [V2BoundOutput] {
    let isBinary = request.parameter("binary_data_output")
    if let isBinary, isBinary.bool == nil {
      throw BindingError("parameter 'binary_data_output' must be true or false")
    }
    let wanted = request.outputs ?? model.outputs.map { V2RequestedOutput(name: $0.name) }
    var outputs: [V2BoundOutput] = []
    for output in wanted {
      guard let index = model.outputs.firstIndex(where: { $0.name == output.name }) else {
        throw BindingError("unexpected inference output '\(output.name)' for model '\(model.name)'")
      }
      if outputs.contains(where: { $0.index == index }) {
        throw BindingError("output '\(output.name)' is requested twice")
      }
      let bound = V2BoundOutput(
        index: index, name: output.name, isBinary: output.isBinary ?? isBinary?.bool ?? false,
        classes: output.classes)
      try check(bound, model.outputs[index].element)
      outputs.append(bound)
    }
    return outputs
  }

  private static func check(_ output: V2BoundOutput, _ element: ElementType) throws(BindingError) {
    if output.classes != nil {
      if !V2Classification.supports(element) {
        throw BindingError(
          "output '\(output.name)' has datatype \(element.v2Name), which classification does not support")
      }
    } else if !output.isBinary, !element.hasJSONForm {
      throw BindingError(
        "output '\(output.name)' has datatype \(element.v2Name), which JSON cannot carry: request it with 'binary_data'"
      )
    }
  }

  private static func checkedParameters(_ request: V2InferRequest) throws(BindingError) -> Int? {
    for name in ["timeout", "priority"] {
      if let value = request.parameter(name), (value.int ?? -1) < 0 {
        throw BindingError("parameter '\(name)' must be a number that is not negative")
      }
    }
    let timeout = request.parameter("timeout")?.int ?? 0
    return timeout == 0 ? nil : timeout
  }
}

/// One output of the reply and its form.
struct V2BoundOutput: Sendable {
  /// In the model's outputs.
  let index: Int
  let name: String
  let isBinary: Bool
  let classes: Int?
}

extension ElementType {
  /// Whether JSON `data` can carry elements of this type.
  var hasJSONForm: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16, .bool, .string: true
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }
}
