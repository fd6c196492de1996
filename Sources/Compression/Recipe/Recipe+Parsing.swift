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

  /// More than one for each layer of a deep network; each is recorded in the result.
  private static let mostSteps = 1000

  init(_ json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: "",
      allowed: [
        "steps", "preset", "calibration", "evaluation", "constraints", "search", "storage", "label", "serve",
      ])
    let preset = try members.choice("preset", Preset.self)
    var steps: [Step] = []
    if let value = members.value("steps") {
      if preset != nil { throw .recipe("steps: cannot be given beside preset") }
      guard case .array(let array) = value else {
        throw .recipe("steps: must be an array, not \(value.kind)")
      }
      if array.isEmpty { throw .recipe("steps: is empty; preset audit measures without changing anything") }
      if array.count > Self.mostSteps {
        throw .recipe("steps: holds \(array.count); at most \(Self.mostSteps) are taken")
      }
      for (index, element) in array.enumerated() {
        steps.append(try Step(element, path: "steps[\(index)]"))
      }
    }
    let isOpen = steps.isEmpty && !members.has("search")
    self.init(steps: steps, preset: preset ?? (isOpen ? .balanced : nil))
    if let value = members.value("search") {
      if preset != nil || !steps.isEmpty { throw .recipe("search: cannot be given beside steps or preset") }
      search = try Search(value)
    }
    storage = try members.choice("storage", StoragePolicy.self) ?? .auto
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
    let members = try RecipeMembers(
      json, path: "evaluation", allowed: ["dataset", "metric", "samples", "batches"])
    self.init(
      dataset: try members.requiredString("dataset"), metric: try members.choice("metric", Metric.self),
      samples: try members.integer("samples", in: 1...1_000_000_000))
    guard members.has("batches") else { return }
    batches = try members.integers("batches", in: 1...65_536)
    if batches.isEmpty || batches.count > 16 || Set(batches).count != batches.count {
      throw .recipe("evaluation.batches: must hold 1 to 16 different batch sizes")
    }
  }
}

extension Recipe.Constraints {
  fileprivate init(parsing json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(
      json, path: "constraints",
      allowed: [
        "max_drop", "min_speedup", "min_agreement", "max_size_ratio", "size_max", "latency_max", "memory_max",
      ])
    self.init()
    maxDrop = try members.number("max_drop", in: 0...Double(Float.greatestFiniteMagnitude))
    minSpeedup = try members.number("min_speedup", in: 0...1_000_000)
    minAgreement = try members.number("min_agreement", in: 0...1)
    maxSizeRatio = try members.number("max_size_ratio", in: 0...1_000_000)
    sizeMax = try members.integer("size_max", in: 0...(1 << 53))
    latencyMax = try members.number("latency_max", in: 0...1e9)
    memoryMax = try members.integer("memory_max", in: 0...(1 << 53))
  }
}

extension Recipe.Search {
  fileprivate init(_ json: JSONValue) throws(CompressionError) {
    let members = try RecipeMembers(json, path: "search", allowed: ["seconds", "trials", "minimize"])
    self.init()
    seconds = try members.number("seconds", in: 1...1_000_000) ?? seconds
    trials = try members.integer("trials", in: 1...10_000) ?? trials
    minimize = try members.choice("minimize", Objective.self) ?? minimize
  }
}
