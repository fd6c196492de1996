import Engine
import GraphIR
import Tensors

/// Measures what each option does for and to each layer.
struct LayerSensitivities {
  private static let rows = 64
  private static let profileRuns = 20

  /// One option, taken for all layers that it can be taken for.
  private struct Uniform {
    var entry: OptionCatalog.Entry
    var loss: Double
    /// By layer name; what is missing was not changed.
    var bytes: [String: Int] = [:]
    var microseconds: [String: Double] = [:]
    var noise: [String: Double] = [:]
  }

  private let judge: ModelJudge
  private let evaluator: CandidateEvaluator
  /// Layers by name, in graph order: a recurrent layer has two weights.
  private let names: [String]
  private let layers: [WeightLayer]
  /// Names of what no option is about: tables, recurrent weights and layers in bodies.
  private let others: [String]
  private var uniforms: [Uniform] = []
  /// What every candidate does to `others`.
  private var closing: [Recipe.Step] = []
  private var times: [String: Double]?
  /// By name, how much of a layer's noise reaches the outputs.
  private var gains: [String: Double] = [:]

  init(_ judge: ModelJudge, _ evaluator: CandidateEvaluator) {
    self.judge = judge
    self.evaluator = evaluator
    let scan = LayerScan(judge.reference)
    layers = scan.layers
    var seen: Set<String> = []
    names = layers.map(\.name).filter { seen.insert($0).inserted }
    others = scan.storedOnly.map(\.name).filter { seen.insert($0).inserted }
  }

  /// Stores `others` in 8 bits, where that keeps the quality: it is small change for the outputs, and
  /// tables are most of many models.
  mutating func close(_ goal: SearchGoal) throws(CompressionError) {
    if others.isEmpty { return }
    let step = Recipe.Step.quantize(QuantizeStep(activations: QuantizeStep.Activations.none)).selecting(
      others)
    do {
      if goal.isMet(by: try judge.judge([step], rows: nil).quality) { closing = [step] }
    } catch .cancelled {
      throw .cancelled
    } catch {
      // What cannot be stored so stays as it is.
    }
  }

  /// Takes the option for all layers, judges the model, and looks at its layers.
  /// - Throws: `CompressionError` when the option cannot be taken.
  mutating func measure(_ entry: OptionCatalog.Entry) throws(CompressionError) {
    if names.isEmpty { throw .model("it changes no layer") }
    if times == nil { times = try layerTimes(try ModelRunner(judge.reference, judge.resources)) }
    let steps = steps(entry)
    let result = try judge.judge(steps, rows: nil)
    let candidate = try judge.build(steps)
    var uniform = Uniform(entry: entry, loss: result.quality.loss)
    for report in candidate.ledger.reports({ _, _ in }) where !report.methods.isEmpty {
      uniform.bytes[report.name, default: 0] += report.bytesAfter
    }
    if names.allSatisfy({ uniform.bytes[$0] == nil }) { throw .model("it changes no layer") }
    let after = try layerTimes(candidate.runner)
    for name in uniform.bytes.keys { uniform.microseconds[name] = after[name] }
    let comparison = try LayerComparison(
      judge.reference, candidate.model, candidate.ledger, evaluator.reference.dataset, judge.resources)
    let noise = LayerNoise.added(comparison.sqnr, layers, in: judge.reference.graph)
    for (layer, noise) in zip(layers, noise) where uniform.bytes[layer.name] != nil {
      uniform.noise[layer.name, default: 0] += noise
    }
    uniforms.append(uniform)
  }

  private func steps(_ entry: OptionCatalog.Entry) -> [Recipe.Step] {
    [entry.step.selecting(names)] + closing
  }

  /// Rounds the weights of one layer after another to 4 bits, and sees how much of that noise reaches the outputs.
  /// - Parameter shouldFinish: asked before each layer; the layers that are left count as the mean of the others.
  mutating func disturb(_ shouldFinish: () -> Bool) throws(CompressionError) {
    for layer in layers where gains[layer.name] == nil {
      if shouldFinish() { break }
      try judge.resources.meter.tick()
      var model = judge.reference
      let (weight, noise) = Self.coarse(layer)
      if noise == 0 { continue }
      model[graph: layer.path][layer.weight].constant = weight
      let runner = try ModelRunner(model, judge.resources)
      let quality = try evaluator.quality(of: runner, rows: Self.rows)
      gains[layer.name] = Self.distance(quality.comparison) / noise
    }
  }

  /// The space of all layers and options, with one choice for every option that all layers take alike.
  func space(loss original: Quality) -> (space: SearchSpace, seeds: [[Int]]) {
    let scales = uniforms.map { scale($0, floor: Self.leastLoss(original)) }
    var space = SearchSpace(layers: [], closing: closing)
    for name in names {
      let own = layers.filter { $0.name == name }
      let before = LayerOption(
        name: "as it is", loss: 0, microseconds: times?[name] ?? 0,
        bytes: own.reduce(0) { $0 + $1.weights.byteCount })
      var options = [before]
      for (uniform, scale) in zip(uniforms, scales) {
        guard let bytes = uniform.bytes[name] else { continue }
        options.append(
          LayerOption(
            name: uniform.entry.name, step: uniform.entry.step, loss: scale * weighted(uniform, name),
            microseconds: uniform.microseconds[name] ?? before.microseconds, bytes: bytes))
      }
      if options.count > 1 { space.layers.append(LayerOptions(layer: name, options: options)) }
    }
    let seeds = uniforms.map { uniform in
      space.layers.map { layer in layer.options.firstIndex { $0.name == uniform.entry.name } ?? 0 }
    }
    for (uniform, seed) in zip(uniforms, seeds) {
      judge.remember(space.steps(seed), as: steps(uniform.entry))
    }
    return (space, seeds)
  }

  /// What brings the layers' estimates to the loss of the model in which all of them take the option.
  private func scale(_ uniform: Uniform, floor: Double) -> Double {
    let sum = names.reduce(0) { $0 + weighted(uniform, $1) }
    return sum > 0 ? max(uniform.loss, floor) / sum : 0
  }

  private func weighted(_ uniform: Uniform, _ name: String) -> Double {
    let mean = gains.isEmpty ? 1 : gains.values.reduce(0, +) / Double(gains.count)
    return (uniform.noise[name] ?? 0) * (gains[name] ?? mean)
  }

  /// A loss that the samples cannot show is still one.
  private static func leastLoss(_ original: Quality) -> Double {
    original.metric.name.isFraction ? 0.25 / Double(max(original.metric.samples, 1)) : 1e-6
  }

  /// Something that is smooth where decisions are not: divergence, or noise by signal.
  private static func distance(_ comparison: Comparison) -> Double {
    comparison.klMean ?? max(0, 1 - comparison.cosine * comparison.cosine)
  }

  private static func coarse(_ layer: WeightLayer) -> (weight: Tensor, noise: Double) {
    let grid = IntegerGrid(bits: 4, isSymmetric: true)
    var weight = layer.weights
    let layout = layer.matrix
    for group in 0..<layout.groups {
      var matrix = layer.matrix(of: weight, group: group)
      for column in 0..<layout.columns {
        let values = (0..<layout.depth).map { matrix[$0 * layout.columns + column] }
        let scale = values.withUnsafeBufferPointer { grid.fit($0, importance: nil, .none, minimumScale: 0) }
        for (row, value) in values.enumerated() {
          matrix[row * layout.columns + column] = grid.value(grid.round(value, scale), scale)
        }
      }
      layer.store(matrix, group: group, in: &weight)
    }
    var error = SignalError()
    error.add(layer.weights, weight)
    return (weight, error.signal > 0 ? error.noise / error.signal : 0)
  }

  /// Microseconds of one call with one row, by layer name: the nodes that stand for a layer are named after it.
  private func layerTimes(_ runner: ModelRunner) throws(CompressionError) -> [String: Double] {
    let inputs = try evaluator.reference.binding.repeatedInputs(rows: 1)
    let nodes = try runner.nodeMicroseconds(inputs, runs: Self.profileRuns)
    var times: [String: Double] = [:]
    for (node, microseconds) in nodes {
      if let owner = owner(of: node) { times[owner, default: 0] += microseconds }
    }
    return times
  }

  private func owner(of node: String) -> String? {
    if names.contains(node) { return node }
    return names.first { node.hasPrefix("\($0)/") }
  }
}
