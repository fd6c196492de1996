import GraphIR
import Tensors

/// The raw form of a binary request (`Inference-Header-Content-Length: 0`): the body is the one input's bytes.
enum V2RawRequest {
  /// The request that `body` stands for: batch 1, at most one further variable extent, binary outputs.
  /// - Throws: `.invalidRequest`, `.invalidInput`.
  static func read(_ body: [UInt8], for model: V2Signature) throws(ServingError) -> V2InferRequest {
    guard model.inputs.count == 1, let input = model.inputs.first else {
      throw .invalidRequest(
        reason:
          "raw binary requests are for models with one input, model '\(model.name)' has \(model.inputs.count)"
      )
    }
    var request = V2InferRequest()
    request.parameters = [JSONValue.Member(name: "binary_data_output", value: true)]
    request.inputs = [V2InputTensor(name: input.name, tensor: try tensor(body, input, model))]
    return request
  }

  private static func tensor(
    _ body: [UInt8], _ input: TensorPort, _ model: V2Signature
  ) throws(ServingError) -> Tensor {
    guard let dimensions = input.dimensions else {
      throw .invalidInput(name: input.name, reason: "a raw binary request needs a model input of known rank")
    }
    var extents: [Int?] = dimensions.map(\.extent)
    if model.maximumBatchSize > 0, !extents.isEmpty { extents[0] = 1 }
    let variable = extents.indices.filter { extents[$0] == nil }
    if variable.count > 1 {
      throw .invalidInput(
        name: input.name, reason: "a raw binary request needs an input with at most one variable extent")
    }
    if input.element == .string { return try string(body, input, extents.map { $0 ?? 1 }) }
    if let axis = variable.first { extents[axis] = try rest(of: body.count, extents, axis, input) }
    return try V2BinaryTensor.decode(
      body[...], type: input.element, shape: Shape(extents.map { $0 ?? 1 }), input: input.name)
  }

  /// The extent of `axis` that uses up all bytes.
  private static func rest(
    of bytes: Int, _ extents: [Int?], _ axis: Int, _ input: TensorPort
  ) throws(ServingError) -> Int {
    let others = Shape(extents.map { $0 ?? 1 })
    guard let elements = others.checkedElementCount, let unit = input.element.byteCount(elements: elements),
      unit > 0, bytes % unit == 0
    else {
      throw .invalidInput(
        name: input.name, reason: "\(bytes) bytes do not fill whole rows of shape \(others)")
    }
    return bytes / unit
  }

  private static func string(
    _ body: [UInt8], _ input: TensorPort, _ extents: [Int]
  ) throws(ServingError) -> Tensor {
    guard Shape(extents).checkedElementCount == 1, let text = String(validating: body, as: UTF8.self),
      let tensor = try? Tensor(shape: Shape(extents), strings: [text])
    else {
      throw .invalidInput(name: input.name, reason: "a raw BYTES request is one element of valid UTF-8")
    }
    return tensor
  }
}
