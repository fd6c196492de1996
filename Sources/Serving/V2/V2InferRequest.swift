import Tensors

/// An inference request as its body says it, not yet held against a model.
struct V2InferRequest: Sendable {
  var id = ""
  /// Names and scalar values.
  var parameters: [JSONValue.Member] = []
  var inputs: [V2InputTensor] = []
  /// nil: every output.
  var outputs: [V2RequestedOutput]?

  func parameter(_ name: String) -> JSONValue? { parameters.first { $0.name == name }?.value }
}

struct V2InputTensor: Sendable {
  let name: String
  let tensor: Tensor
}

struct V2RequestedOutput: Sendable, Equatable {
  let name: String
  /// nil: as the request's `binary_data_output` says.
  var isBinary: Bool?
  /// How many classes to name instead of sending the tensor.
  var classes: Int?
}

/// What a request is held against: a model version's name and ports.
struct V2Signature: Sendable {
  let name: String
  let version: Int
  let inputs: [TensorPort]
  let outputs: [TensorPort]
  /// 0: the model is not batched.
  let maximumBatchSize: Int
  /// Why it is not batched.
  var reasonAgainstBatching: String?
}

extension V2Signature {
  init(_ servable: Servable) {
    self.init(
      name: servable.name, version: servable.version, inputs: servable.inputs, outputs: servable.outputs,
      maximumBatchSize: servable.maxBatchSize, reasonAgainstBatching: servable.reasonAgainstBatching)
  }
}
