extension QuantizeStep: RecipeStep {
  static let name = "quantize"

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path,
      allowed: [
        "weights", "activations", "activation_type", "activation_scale", "activation_outputs",
        "granularity", "group", "method", "clip", "calibrator", "percentile", "smooth", "format",
        "bias_correction", "bits", "clusters",
      ] + LayerSelection.members)
    self.init(activations: try members.choice("activations", Activations.self))
    try readWeights(members)
    try readActivations(members)
    method = try members.choice("method", Method.self) ?? .round
    clip = try members.choice("clip", Clip.self) ?? .auto
    format = try members.choice("format", Format.self) ?? .qdq
    biasCorrection = try members.bool("bias_correction") ?? true
    selection = try LayerSelection(members)
    activations = activations ?? implied
    try check(members)
  }

  /// The activations that other members only make sense with.
  private var implied: Activations? {
    if !weights.isInteger8 || granularity == .group { return nil }
    if activationScale == .row { return .dynamic }
    return format == .qoperator || statedForStatic != nil ? .static : nil
  }

  /// The first member for static activations that does not hold its default, which programs like to say too.
  private var statedForStatic: String? {
    if calibrator != .minmax { return "calibrator" }
    if activationType != .uint8 { return "activation_type" }
    return activationOutputs != .quantized ? "activation_outputs" : nil
  }

  private mutating func readWeights(_ members: RecipeMembers) throws(CompressionError) {
    weights = try members.choice("weights", Weights.self) ?? .int8
    if members.has("bits") && weights != .minmax {
      throw .recipe("\(members.path(of: "bits")): is only used with weights minmax")
    }
    bits = try members.integer("bits", in: 2...8) ?? 8
    if members.has("clusters") && weights != .codebook {
      throw .recipe("\(members.path(of: "clusters")): is only used with weights codebook")
    }
    clusters = try members.integer("clusters", in: 2...256) ?? 16
    let stated = try members.choice("granularity", Granularity.self)
    if members.has("group"), stated != .group {
      throw .recipe("\(members.path(of: "group")): is only used with granularity group")
    }
    if let stated, stated != .channel, !weights.hasScales, weights != .codebook || stated != .tensor {
      throw .recipe(
        "\(members.path(of: "granularity")): \(stated.rawValue) is only used with weights that have scales")
    }
    granularity = weights == .codebook ? .tensor : stated ?? .channel
    group = try members.integer("group", in: 2...65_536) ?? 32
  }

  private mutating func readActivations(_ members: RecipeMembers) throws(CompressionError) {
    activationType =
      try members.choice("activation_type", ActivationType.self) ?? .uint8
    activationScale =
      try members.choice("activation_scale", ActivationScale.self) ?? .tensor
    activationOutputs =
      try members.choice("activation_outputs", ActivationOutputs.self) ?? .quantized
    calibrator = try Self.calibrator(members)
    smooth = try Self.smooth(members)
  }

  private func check(_ members: RecipeMembers) throws(CompressionError) {
    if !weights.isInteger8, let activations, activations != .none {
      throw .recipe(
        "\(members.path(of: "activations")): \(activations.rawValue) takes weights int8, uint8, fixed8")
    }
    if method != .round, weights == .fp16 || weights == .bf16 || weights == .fp8 {
      throw .recipe("\(members.path(of: "method")): \(method.rawValue) is only used with integer weights")
    }
    if activations != .static, let name = statedForStatic {
      throw .recipe("\(members.path(of: name)): is only used with activations static")
    }
    if case .exponent = smooth, !weights.hasScales {
      throw .recipe(
        "\(members.path(of: "smooth")): a number is only used with weights that have scales")
    }
    if activationScale == .row, activations != .dynamic {
      throw .recipe("\(members.path(of: "activation_scale")): row is only used with activations dynamic")
    }
    if format == .qoperator {
      let path = members.path(of: "format")
      if activations != .static { throw .recipe("\(path): qoperator is only used with activations static") }
      if activationType.is16Bit {
        throw .recipe("\(path): qoperator takes activation_type uint8, int8")
      }
    }
    if granularity == .group, activations == .static || activations == .dynamic {
      throw .recipe("\(members.path(of: "granularity")): group is only used with activations none")
    }
  }

  private static func smooth(_ members: RecipeMembers) throws(CompressionError) -> Smooth {
    if case .number? = members.value("smooth"), let exponent = try members.number("smooth", in: 0...1) {
      return .exponent(exponent)
    }
    switch try members.string("smooth") ?? "auto" {
    case "auto": return .auto
    case "none": return .none
    case let text:
      throw members.notAmong("smooth", text, ["auto", "none", "a number"])
    }
  }

  private static func calibrator(_ members: RecipeMembers) throws(CompressionError) -> Calibrator {
    let name = try members.string("calibrator") ?? "minmax"
    let percentile = try members.number("percentile", in: 50...100)
    if percentile != nil && name != "percentile" {
      throw .recipe("\(members.path(of: "percentile")): is only used with calibrator percentile")
    }
    switch name {
    case "minmax": return .minmax
    case "moving_average": return .movingAverage
    case "percentile": return .percentile(percentile ?? 99.99)
    case "entropy": return .entropy
    case "mse": return .mse
    default:
      throw members.notAmong(
        "calibrator", name, ["minmax", "moving_average", "percentile", "entropy", "mse"])
    }
  }

  var label: String {
    switch weights {
    case .minmax: "minmax\(bits)"
    case .codebook: "codebook\(clusters)"
    default: weights.rawValue
    }
  }

  var json: JSONValue {
    var members: [String: JSONValue?] = [
      "weights": .string(weights.rawValue), "activations": activations.map { .string($0.rawValue) },
      "method": .string(method.rawValue),
      "clip": .string(clip.rawValue), "format": .string(format.rawValue),
      "bias_correction": .bool(biasCorrection),
    ]
    if weights == .minmax { members["bits"] = .number(Double(bits)) }
    if weights == .codebook { members["clusters"] = .number(Double(clusters)) }
    if weights.hasScales { members["granularity"] = .string(granularity.rawValue) }
    if granularity == .group { members["group"] = .number(Double(group)) }
    if activationScale == .row { members["activation_scale"] = .string("row") }
    switch smooth {
    case .auto: members["smooth"] = .string("auto")
    case .none: members["smooth"] = .string("none")
    case .exponent(let exponent): members["smooth"] = .number(exponent)
    }
    // Read back, members of static activations beside others would be refused.
    if activations == nil || activations == .static {
      members["activation_type"] = .string(activationType.rawValue)
      if activationOutputs != .quantized {
        members["activation_outputs"] = .string(activationOutputs.rawValue)
      }
      members.merge(calibratorMembers) { $1 }
    }
    return .members(members, selection)
  }

  private var calibratorMembers: [String: JSONValue?] {
    switch calibrator {
    case .minmax: ["calibrator": .string("minmax")]
    case .movingAverage: ["calibrator": .string("moving_average")]
    case .percentile(let percentile):
      ["calibrator": .string("percentile"), "percentile": .number(percentile)]
    case .entropy: ["calibrator": .string("entropy")]
    case .mse: ["calibrator": .string("mse")]
    }
  }
}
