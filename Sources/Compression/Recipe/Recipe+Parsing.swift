extension Recipe {
  /// The recipe that `json` holds; no bytes at all stand for the preset `balanced`.
  /// - Throws: `CompressionError.recipe` for unknown members and values, naming the path and what is allowed;
  ///   `.unsupported` for what this version does not do yet.
  public static func parse(_ json: [UInt8]) throws(CompressionError) -> Recipe {
    let isBlank = json.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    if isBlank { return Recipe(steps: [], preset: .balanced) }
    return try Recipe(try JSONValue.parse(json))
  }

  /// The recipe of a one-call request: `preset`, or `prune` (a sparsity) and `quantize` (int8, uint8) in this
  /// order, and `label`.
  /// - Throws: as `parse`.
  public static func fromQuery(_ items: [(name: String, value: String)]) throws(CompressionError) -> Recipe {
    let allowed = ["preset", "quantize", "prune", "label"]
    var seen: [String: String] = [:]
    for (name, value) in items {
      if !allowed.contains(name) {
        throw .recipe("\(name): unknown query member; allowed are \(allowed.joined(separator: ", "))")
      }
      if seen.updateValue(value, forKey: name) != nil { throw .recipe("\(name): given twice") }
    }
    var members: [String: JSONValue] = [:]
    var steps: [JSONValue] = []
    if let prune = seen["prune"] {
      guard let sparsity = Double(prune), sparsity.isFinite else {
        throw .recipe("prune: '\(prune)' is not a number")
      }
      steps.append(.object(["prune": .object(["sparsity": .number(sparsity)])]))
    }
    if let quantize = seen["quantize"] {
      steps.append(.object(["quantize": .object(["weights": .string(quantize)])]))
    }
    if !steps.isEmpty { members["steps"] = .array(steps) }
    if let preset = seen["preset"] { members["preset"] = .string(preset) }
    if let label = seen["label"] { members["label"] = .string(label) }
    return try Recipe(.object(members))
  }

  init(_ json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: "",
      allowed: ["steps", "preset", "calibration", "evaluation", "constraints", "search", "label", "serve"])
    try members.refuse(["search"], because: "choosing steps by measurement; name steps or a preset")
    let preset = try members.choice("preset", Preset.self)
    var steps: [Step] = []
    if let value = members.value("steps") {
      if preset != nil { throw .recipe("steps: cannot be given beside preset") }
      guard case .array(let array) = value else {
        throw .recipe("steps: must be an array, not \(value.kind)")
      }
      if array.isEmpty { throw .recipe("steps: is empty; preset audit measures without changing anything") }
      for (index, element) in array.enumerated() {
        steps.append(try Step(element, path: "steps[\(index)]"))
      }
    }
    self.init(steps: steps, preset: preset ?? (steps.isEmpty ? .balanced : nil))
    if let value = members.value("calibration") { calibration = try Calibration(value) }
    if let value = members.value("evaluation") { evaluation = try Evaluation(value) }
    if let value = members.value("constraints") { constraints = try Constraints(parsing: value) }
    label = try members.string("label")
    if let label, !Self.isValid(label: label) {
      throw .recipe(
        "label: '\(label)' must be 1…128 letters, digits, '.', '_', '-', the first a letter or digit")
    }
    serve = try members.choice("serve", ServePolicy.self) ?? .whenPassed
  }

  private static func isValid(label: String) -> Bool {
    let bytes = Array(label.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
    guard let first = bytes.first, bytes.count <= 128, isAlphanumeric(first) else { return false }
    return bytes.allSatisfy { isAlphanumeric($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D }
  }
}

extension Recipe.Step {
  private static let later = ["share_weights", "low_rank", "merge", "equalize", "finetune"]

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let now = ["prune", "quantize"]
    let members = try RecipeMembers(json, path: path, allowed: now + Self.later)
    try members.refuse(Self.later, because: "a step of a later version; this one has prune, quantize")
    switch (members.value("prune"), members.value("quantize")) {
    case (let prune?, nil): self = .prune(try PruneStep(prune, path: "\(path).prune"))
    case (nil, let quantize?): self = .quantize(try QuantizeStep(quantize, path: "\(path).quantize"))
    default: throw .recipe("\(path): must have exactly one member of prune, quantize")
    }
  }
}

extension PruneStep {
  fileprivate init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path,
      allowed: ["method", "sparsity", "epsilon", "structure", "scope", "repair", "layers", "exclude"])
    let method =
      try members.choice(
        "method", Method.self, later: ["wanda", "obs", "stability", "activation_energy", "l2"])
      ?? .magnitude
    let sparsity = try members.number("sparsity", in: 0...1)
    let epsilon = try members.number("epsilon", in: 0...Double(Float.greatestFiniteMagnitude))
    switch method {
    case .threshold:
      guard let epsilon else { throw .recipe("\(path).epsilon: is required by method threshold") }
      if sparsity != nil { throw .recipe("\(path).sparsity: is not used by method threshold; give epsilon") }
      self.init(epsilon: epsilon)
    case .magnitude, .random:
      guard let sparsity else {
        throw .recipe("\(path).sparsity: is required by method \(method.rawValue)")
      }
      if epsilon != nil { throw .recipe("\(path).epsilon: is only used by method threshold") }
      self.init(sparsity: sparsity)
    }
    self.method = method
    if let structure = try members.string("structure"), structure != "unstructured" {
      let later = ["2:4", "4:8", "channel", "head"]
      let isLater = later.contains(structure) || structure.hasPrefix("block:")
      throw members.notAmong(
        "structure", structure, now: ["unstructured"], later: isLater ? [structure] : [])
    }
    scope = try members.choice("scope", Scope.self, later: ["erk"]) ?? .layer
    repair = try members.choice("repair", Repair.self, later: ["least_squares"]) ?? .auto
    selection = try LayerSelection(members)
  }
}

extension QuantizeStep {
  private static let laterWeights = [
    "int4", "int3", "int2", "fixed8", "minmax", "binary", "ternary", "codebook", "fp16", "bf16", "fp8",
  ]

  fileprivate init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: path,
      allowed: [
        "weights", "activations", "granularity", "method", "clip", "calibrator", "percentile", "smooth",
        "format", "bias_correction", "bits", "clusters", "group", "layers", "exclude",
      ])
    self.init(activations: try members.choice("activations", Activations.self))
    weights = try members.choice("weights", Weights.self, later: Self.laterWeights) ?? .int8
    granularity = try members.choice("granularity", Granularity.self, later: ["group"]) ?? .channel
    calibrator = try Self.calibrator(members)
    biasCorrection = try members.bool("bias_correction") ?? true
    selection = try LayerSelection(members)
    try Self.accept(["round"], later: ["gptq", "descent"], for: "method", members)
    try Self.accept(["auto", "none"], later: ["mse", "oscar"], for: "clip", members)
    try Self.accept(["qdq"], later: ["qoperator"], for: "format", members)
    if case .number? = members.value("smooth") {
      throw .unsupported("\(path).smooth as a number; this version has auto, none")
    }
    try Self.accept(["auto", "none"], later: [], for: "smooth", members)
    try members.refuse(["bits"], because: "which belongs to weights minmax")
    try members.refuse(["clusters"], because: "which belongs to weights codebook")
    try members.refuse(["group"], because: "which belongs to granularity group")
    if activations != nil, activations != .static, members.has("calibrator") {
      throw .recipe("\(path).calibrator: is only used with activations static")
    }
  }

  /// Checks a member of which this version has one behaviour only.
  private static func accept(
    _ now: [String], later: [String], for name: String, _ members: RecipeMembers
  ) throws(CompressionError) {
    guard let text = try members.string(name), !now.contains(text) else { return }
    throw members.notAmong(name, text, now: now, later: later)
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
        "calibrator", name, now: ["minmax", "moving_average", "percentile", "entropy", "mse"], later: [])
    }
  }
}

extension LayerSelection {
  fileprivate init(_ members: RecipeMembers) throws(CompressionError) {
    layers = try members.strings("layers")
    exclude = try members.strings("exclude") ?? []
  }
}

extension Recipe.Calibration {
  fileprivate init(_ json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(json, path: "calibration", allowed: ["dataset", "samples"])
    self.init(
      dataset: try members.requiredString("dataset"),
      samples: try members.integer("samples", in: 1...1_000_000))
  }
}

extension Recipe.Evaluation {
  fileprivate init(_ json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(json, path: "evaluation", allowed: ["dataset", "metric", "samples"])
    self.init(
      dataset: try members.requiredString("dataset"), metric: try members.choice("metric", Metric.self),
      samples: try members.integer("samples", in: 1...1_000_000_000))
  }
}

extension Recipe.Constraints {
  fileprivate init(parsing json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: "constraints", allowed: ["max_drop", "min_speedup", "min_agreement", "max_size_ratio"])
    self.init()
    maxDrop = try members.number("max_drop", in: 0...Double(Float.greatestFiniteMagnitude))
    minSpeedup = try members.number("min_speedup", in: 0...1_000_000)
    minAgreement = try members.number("min_agreement", in: 0...1)
    maxSizeRatio = try members.number("max_size_ratio", in: 0...1_000_000)
  }
}
