/// The ways to treat a layer that a search tries.
enum OptionCatalog {
  struct Entry: Sendable, Equatable {
    /// For people.
    var name: String
    var step: Recipe.Step
  }

  /// - Parameter hasCalibration: without data static activations, and what needs statistics, are left out.
  static func entries(_ facts: ModelFacts, hasCalibration: Bool) -> [Entry] {
    var entries: [Entry] = []
    func add(_ name: String, _ step: Recipe.Step) {
      if step.isSupported { entries.append(Entry(name: name, step: step)) }
    }

    var int8 = QuantizeStep(activations: .static)
    if hasCalibration { add("int8 static", .quantize(int8)) }
    int8.activations = .dynamic
    if facts.hasProducts {
      add("int8 dynamic", .quantize(int8))
      int8.activationScale = .row
      add("int8 dynamic rows", .quantize(int8))
    }
    add("int8 weights", .quantize(QuantizeStep(activations: QuantizeStep.Activations.none)))
    var int4 = QuantizeStep(activations: QuantizeStep.Activations.none)
    int4.weights = .int4
    int4.granularity = .group
    int4.method = hasCalibration ? .gptq : .round
    add("int4 weights", .quantize(int4))
    for percent in [50, 80] {
      var prune = PruneStep(sparsity: Double(percent) / 100)
      if hasCalibration { prune.method = .obs }
      add("pruned \(percent) %", .prune(prune))
    }
    return entries
  }
}
