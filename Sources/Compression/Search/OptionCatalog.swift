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
    var blocks = PruneStep(sparsity: 0.8)
    blocks.structure = .block1x16
    if hasCalibration { blocks.method = .obs }
    add("pruned 80 % in blocks of 16", .prune(blocks))
    return entries
  }

  /// Steps that concern the whole model, to be tried before those of the best candidate, the mildest first. Without
  /// data nothing would say what the channels were worth.
  static func beginnings(_ facts: ModelFacts, hasCalibration: Bool) -> [[Recipe.Step]] {
    if !hasCalibration || !(facts.hasConvolutions || facts.hasProducts) { return [] }
    return [0.15, 0.3, 0.5].map { [.prune(.channels($0))] }
  }
}

extension PruneStep {
  /// Removes channels by what the samples make of them; those of the first layer are few and all that it sees.
  static func channels(_ sparsity: Double) -> PruneStep {
    var step = PruneStep(sparsity: sparsity)
    step.structure = .channel
    step.method = .activationEnergy
    step.selection.exclude = ["first"]
    return step
  }
}
