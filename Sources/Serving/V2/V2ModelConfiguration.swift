import GraphIR

/// A model version as Triton's ModelConfig, in its JSON form: 64-bit numbers as numbers, names in snake case.
enum V2ModelConfiguration {
  static func json(_ model: V2Signature, workers: Int, _ configuration: ServingConfiguration) -> JSONValue {
    let isBatched = model.maximumBatchSize > 0
    var members: [(String, JSONValue)] = [
      ("name", .string(model.name)),
      ("platform", .string(V2ModelMetadata.platform)),
      ("backend", "adze"),
      ("version_policy", ["all": [:]]),
      ("max_batch_size", .int(model.maximumBatchSize)),
      ("input", .array(model.inputs.map { input($0, isBatched) })),
      ("output", .array(model.outputs.map { output($0, isBatched) })),
      ("instance_group", [instanceGroup(model.name, workers)]),
      ("default_model_filename", "model.onnx"),
      ("parameters", parameters(model)),
      ("model_warmup", []),
      ("model_transaction_policy", ["decoupled": false]),
      ("response_cache", ["enable": false]),
    ]
    if isBatched { members.insert(("dynamic_batching", dynamicBatching(configuration)), at: 7) }
    return .object(members.map { JSONValue.Member(name: $0.0, value: $0.1) })
  }

  /// Why requests of the model are run one by one, when they are.
  private static func parameters(_ model: V2Signature) -> JSONValue {
    guard let reason = model.reasonAgainstBatching else { return [:] }
    return ["unbatched_because": ["string_value": .string(reason)]]
  }

  private static func input(_ port: TensorPort, _ isBatched: Bool) -> JSONValue {
    [
      "name": .string(port.name), "data_type": .string(port.element.v2ConfigurationName),
      "format": "FORMAT_NONE", "dims": dimensions(port, isBatched), "is_shape_tensor": false,
      "allow_ragged_batch": false, "optional": .bool(port.isOptional),
    ]
  }

  private static func output(_ port: TensorPort, _ isBatched: Bool) -> JSONValue {
    [
      "name": .string(port.name), "data_type": .string(port.element.v2ConfigurationName),
      "dims": dimensions(port, isBatched), "label_filename": "", "is_shape_tensor": false,
    ]
  }

  /// Without the batch axis, which `max_batch_size` stands for.
  private static func dimensions(_ port: TensorPort, _ isBatched: Bool) -> JSONValue {
    V2ModelMetadata.shape(isBatched ? port.dimensions.map { Array($0.dropFirst()) } : port.dimensions)
  }

  private static func instanceGroup(_ name: String, _ workers: Int) -> JSONValue {
    ["name": .string(name), "kind": "KIND_CPU", "count": .int(workers), "gpus": []]
  }

  private static func dynamicBatching(_ configuration: ServingConfiguration) -> JSONValue {
    [
      "preferred_batch_size": [],
      "max_queue_delay_microseconds": .int(configuration.maximumQueueDelayMicroseconds),
      "preserve_ordering": false, "priority_levels": 0, "default_priority_level": 0,
      "default_queue_policy": [
        "timeout_action": "REJECT",
        "default_timeout_microseconds": .int(configuration.requestTimeoutMilliseconds * 1000),
        "allow_timeout_override": true,
        "max_queue_size": .int(configuration.maximumQueuedRequests),
      ],
      "priority_queue_policy": [:],
    ]
  }
}
