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
      ])
    }
    if constraints != Constraints() {
      members["constraints"] = .members([
        "max_drop": constraints.maxDrop.map(JSONValue.number),
        "min_speedup": constraints.minSpeedup.map(JSONValue.number),
        "min_agreement": constraints.minAgreement.map(JSONValue.number),
        "max_size_ratio": constraints.maxSizeRatio.map(JSONValue.number),
      ])
    }
    if let label { members["label"] = .string(label) }
    return .object(members)
  }
}

extension Recipe.Step {
  var json: JSONValue {
    switch self {
    case .prune(let step): .object(["prune": step.json])
    case .quantize(let step): .object(["quantize": step.json])
    }
  }
}

extension PruneStep {
  fileprivate var json: JSONValue {
    .members(
      [
        "method": .string(method.rawValue), "sparsity": sparsity.map(JSONValue.number),
        "epsilon": epsilon.map(JSONValue.number), "scope": .string(scope.rawValue),
        "repair": .string(repair.rawValue),
      ], selection)
  }
}

extension QuantizeStep {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue?] = [
      "weights": .string(weights.rawValue), "activations": activations.map { .string($0.rawValue) },
      "granularity": .string(granularity.rawValue), "bias_correction": .bool(biasCorrection),
    ]
    // Read back, a calibrator beside activations that need none would be refused.
    if activations == nil || activations == .static {
      switch calibrator {
      case .minmax: members["calibrator"] = .string("minmax")
      case .movingAverage: members["calibrator"] = .string("moving_average")
      case .percentile(let percentile):
        members["calibrator"] = .string("percentile")
        members["percentile"] = .number(percentile)
      case .entropy: members["calibrator"] = .string("entropy")
      case .mse: members["calibrator"] = .string("mse")
      }
    }
    return .members(members, selection)
  }
}

extension JSONValue {
  /// An object of the members that are there.
  fileprivate static func members(
    _ members: [String: JSONValue?], _ selection: LayerSelection = LayerSelection()
  ) -> JSONValue {
    var object = members.compactMapValues { $0 }
    if let layers = selection.layers { object["layers"] = .array(layers.map(JSONValue.string)) }
    if !selection.exclude.isEmpty { object["exclude"] = .array(selection.exclude.map(JSONValue.string)) }
    return .object(object)
  }
}
