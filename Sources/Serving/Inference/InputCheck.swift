import GraphIR
import Tensors

/// Checks a request's tensors against a model's inputs before they are queued, so that a bad request never reaches
/// the batch of another.
enum InputCheck {
  /// - Throws: `.invalidInput`, `.invalidRequest`.
  static func check(
    _ request: InferenceRequest, inputs: [TensorPort], outputs: Int
  ) throws(ServingError) {
    if request.inputs.count != inputs.count {
      throw .invalidRequest(reason: "expected \(inputs.count) inputs, got \(request.inputs.count)")
    }
    if let bad = request.outputs.first(where: { !(0..<outputs).contains($0) }) {
      throw .invalidRequest(reason: "output \(bad) is not one of the model's \(outputs) outputs")
    }
    var symbols: [String: (extent: Int, input: String)] = [:]
    for (port, tensor) in zip(inputs, request.inputs) {
      if let tensor {
        try check(tensor, port, &symbols)
      } else if !port.isOptional {
        throw .invalidInput(name: port.name, reason: "is missing")
      }
    }
  }

  private static func check(
    _ tensor: Tensor, _ port: TensorPort, _ symbols: inout [String: (extent: Int, input: String)]
  ) throws(ServingError) {
    if tensor.type != port.element {
      throw .invalidInput(
        name: port.name, reason: "expected elements of type \(port.element.name), got \(tensor.type.name)")
    }
    guard let dimensions = port.dimensions else { return }
    if tensor.shape.rank != dimensions.count {
      throw .invalidInput(
        name: port.name,
        reason: "expected \(dimensions.count) dimensions \(describe(dimensions)), got shape \(tensor.shape)")
    }
    for (axis, dimension) in dimensions.enumerated() {
      let extent = tensor.shape[axis]
      if let expected = dimension.extent, expected != extent {
        throw .invalidInput(
          name: port.name, reason: "expected shape \(describe(dimensions)), got \(tensor.shape)")
      }
      guard case .symbol(let symbol) = dimension else { continue }
      if let known = symbols[symbol], known.extent != extent {
        throw .invalidInput(
          name: port.name,
          reason: "dimension '\(symbol)' is \(extent), but \(known.extent) in input '\(known.input)'")
      }
      symbols[symbol] = (extent: extent, input: port.name)
    }
  }

  private static func describe(_ dimensions: [Dimension]) -> String {
    let texts = dimensions.map { dimension in
      switch dimension {
      case .known(let extent): String(extent)
      case .symbol(let name): name
      case .unknown: "-1"
      }
    }
    return "[" + texts.joined(separator: ",") + "]"
  }

  /// Axis 0 of every given input; nil when they differ or there is none, or no row: such a request is run alone.
  static func commonRows(_ inputs: [Tensor?]) -> Int? {
    var rows: Int?
    for case let tensor? in inputs {
      guard let extent = tensor.shape.dimensions.first, extent > 0, rows ?? extent == extent else {
        return nil
      }
      rows = extent
    }
    return rows
  }

  static func batchKey(_ inputs: [Tensor?]) -> BatchKey {
    var key: BatchKey = []
    for input in inputs {
      if let tensor = input {
        key.append(tensor.shape.rank)
        key += tensor.shape.dimensions.dropFirst()
      } else {
        key.append(-1)
      }
    }
    return key
  }
}
