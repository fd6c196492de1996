extension Recipe.Preset {
  /// What the preset tries, the boldest first; each is taken for the layers that the ones before it lose too much on,
  /// and then for the whole model. No steps leave the model as it is.
  /// - Parameter hasCalibration: without data activations get no static ranges.
  func levels(_ facts: ModelFacts, hasCalibration: Bool) -> [[Recipe.Step]] {
    let weights = QuantizeStep(activations: QuantizeStep.Activations.none)
    var rows = QuantizeStep(activations: .dynamic)
    rows.activationScale = .row
    let dynamic: Recipe.Step =
      Recipe.Step.quantize(rows).isSupported
      ? .quantize(rows) : .quantize(QuantizeStep(activations: .dynamic))
    // Rounded with regard to the data, where there are any.
    var solved = weights
    if hasCalibration { solved.method = .gptq }
    let careful: [Recipe.Step] = facts.hasProducts ? [dynamic, .quantize(weights)] : [.quantize(weights)]
    switch self {
    case .audit: return []
    case .safe: return [careful, [.quantize(solved)]]
    case .balanced, .fast:
      // Ranges of single tokens hold where one range for all of them does not; convolutions have no such form.
      let isStatic = hasCalibration && (facts.hasConvolutions || !facts.hasAttention)
      let rounded: [Recipe.Step] = [.quantize(QuantizeStep(activations: .static)), .quantize(weights)]
      var levels = [isStatic ? rounded : careful, [.quantize(weights)]]
      if isStatic && facts.hasConvolutions {
        // Sums and outputs that no layer reads stay in float.
        var gentle = QuantizeStep(activations: .static)
        gentle.activationOutputs = .float
        levels.insert([.equalize(EqualizeStep())] + rounded, at: 1)
        levels.insert([.quantize(gentle), .quantize(weights)], at: 2)
      }
      if self == .balanced || !hasCalibration { return levels }
      // Without data nothing would say what the channels were worth.
      return [[.prune(.channels(0.3))] + levels[0]] + levels
    case .small:
      var int4 = weights
      int4.weights = .int4
      int4.granularity = .group
      int4.method = hasCalibration ? .gptq : .round
      // Convolutions and tables keep 8 bits.
      if facts.hasConvolutions || facts.hasTables { int4.selection.layers = facts.products }
      let isSupported = facts.hasProducts && Recipe.Step.quantize(int4).isSupported
      return (isSupported ? [[.quantize(int4), .quantize(weights)]] : []) + [[.quantize(weights)]]
    }
  }

  /// How much the result may lose where data say how much that is, in the unit of a fraction; nil for no limit.
  var promise: Double? {
    switch self {
    case .safe: 0.005
    case .balanced, .fast: 0.01
    case .small: 0.02
    case .audit: nil
    }
  }
}
