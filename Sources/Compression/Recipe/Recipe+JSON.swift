extension Recipe: Codable {
  public init(from decoder: any Decoder) throws { try self.init(JSONValue(from: decoder)) }

  public func encode(to encoder: any Encoder) throws { try json.encode(to: encoder) }

  /// The recipe in the form that `parse` reads, compact, members in alphabetical order.
  public var text: String { json.canonicalText }

  var json: JSONValue {
    var members: [String: JSONValue] = ["serve": .string(serve.rawValue)]
    if let preset { members["preset"] = .string(preset.rawValue) }
    if !steps.isEmpty { members["steps"] = .array(steps.map(\.json)) }
    if let calibration {
      members["calibration"] = .members([
        "dataset": .string(calibration.dataset), "samples": calibration.samples.map { .number(Double($0)) },
      ])
    }
    if let evaluation {
      members["evaluation"] = .members([
        "dataset": .string(evaluation.dataset), "metric": evaluation.metric.map { .string($0.rawValue) },
        "samples": evaluation.samples.map { .number(Double($0)) },
        "batches": .array(evaluation.batches.map { .number(Double($0)) }),
      ])
    }
    if constraints != Constraints() {
      members["constraints"] = .members([
        "max_drop": constraints.maxDrop.map(JSONValue.number),
        "min_speedup": constraints.minSpeedup.map(JSONValue.number),
        "min_agreement": constraints.minAgreement.map(JSONValue.number),
        "max_size_ratio": constraints.maxSizeRatio.map(JSONValue.number),
        "size_max": constraints.sizeMax.map { .number(Double($0)) },
        "latency_max": constraints.latencyMax.map(JSONValue.number),
        "memory_max": constraints.memoryMax.map { .number(Double($0)) },
      ])
    }
    if let search {
      members["search"] = .members([
        "seconds": .number(search.seconds), "trials": .number(Double(search.trials)),
        "minimize": .string(search.minimize.rawValue),
      ])
    }
    if storage != .auto { members["storage"] = .string(storage.rawValue) }
    if let label { members["label"] = .string(label) }
    return .object(members)
  }
}
