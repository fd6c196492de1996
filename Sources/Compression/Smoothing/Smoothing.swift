import GraphIR
import Tensors

/// Moves what is hard to quantize from the inputs of layers into their weights, or the other way round: the inputs are
/// divided by a factor for each channel, the weights multiplied with it, and what computes the inputs takes the
/// division. In float the model computes the same.
///
/// Xiao et al., "SmoothQuant" (2022) where activations are quantized, Lin et al., "AWQ" (2023) where weights alone are.
struct Smoothing {
  /// Exponents that `auto` tries.
  private static let exponents = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
  private static let weightExponents = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
  /// `auto` leaves layers with less noise by signal alone,
  private static let leastError = 1e-4
  /// and those where more than this part of it would stay.
  private static let leastGain = 2.0 / 3

  private let scaledToTensor: Set<Int>
  private var scaling: ChannelScaling
  /// Why layers are left, in the order found.
  private var left: [(key: LayerKey, reason: String)] = []

  /// Smoothes what the steps say; notes in `ledger` what was done and what was left.
  /// - Throws: `CompressionError.recipe` for an exponent without calibration data.
  static func apply(
    _ assignments: [QuantizeAssignment], to model: inout Model, _ ledger: inout LayerLedger,
    _ context: StepContext
  ) throws(CompressionError) {
    let wanted = assignments.filter(\.step.smoothes)
    if wanted.isEmpty { return }
    guard let calibration = context.calibration else {
      if let stated = wanted.first(where: { $0.step.smooth != .auto }) {
        throw .recipe(
          "\(stated.path).smooth: a number needs calibration data; name a dataset in calibration")
      }
      for path in Set(wanted.map(\.path)).sorted() {
        ledger.notes.append("\(path).smooth: auto left all layers alone, as there are no calibration data")
      }
      return
    }
    var smoothing = Smoothing(model, assignments)
    var left: [(LayerKey, String)] = []
    let groups = SmoothingGroup.groups(wanted, smoothing.scaling) { left.append(($0, $1)) }
    smoothing.left = left
    let samples = try SmoothingSampler.samples(groups.map(\.layers[0]), in: model, calibration, context)
    for (group, sample) in zip(groups, samples) {
      try smoothing.smooth(group, sample)
      try context.resources.meter.tick()
    }
    smoothing.report(wanted, model, &ledger)
    try smoothing.scaling.apply(to: &model, &ledger)
  }

  private init(_ model: Model, _ assignments: [QuantizeAssignment]) {
    scaling = ChannelScaling(model)
    scaledToTensor = Set(assignments.filter { $0.step.granularity == .tensor }.map(\.layer.node))
  }

  private mutating func smooth(
    _ group: SmoothingGroup, _ sample: SmoothingSample?
  ) throws(CompressionError) {
    guard let sample else {
      leave(group, "nothing is known of its input")
      return
    }
    let exponent: Double
    switch group.step.smooth {
    case .none: return
    case .exponent(let stated): exponent = stated
    case .auto:
      if let source = group.source?.layer, scaledToTensor.contains(scaling.layers[source].node) {
        leave(group, "the layer before it has one scale for all channels")
        return
      }
      guard let best = try bestExponent(group, sample) else {
        leave(group, "does not help")
        return
      }
      exponent = best
    }
    let factors = SmoothingFactors.factors(
      sample, group.layers, exponent: exponent, weightsOnly: group.step.mode == .none)
    scaling.take(factors, group, method: "smoothed \(exponent)")
  }

  /// The exponent with the least error of the outputs; nil when none is clearly better than no smoothing.
  private func bestExponent(
    _ group: SmoothingGroup, _ sample: SmoothingSample
  ) throws(CompressionError) -> Double? {
    let error = SmoothingError(group.step, sample, group.layers)
    let plain = try error.relative(sample.lows.map { _ in 1 })
    if plain < Self.leastError { return nil }
    let weightsOnly = group.step.mode == .none
    var best: (exponent: Double?, error: Double) = (nil, plain * Self.leastGain)
    for exponent in weightsOnly ? Self.weightExponents : Self.exponents {
      let factors = SmoothingFactors.factors(
        sample, group.layers, exponent: exponent, weightsOnly: weightsOnly)
      let own = try error.relative(factors)
      if own < best.error { best = (exponent, own) }
    }
    return best.exponent
  }

  // MARK: Report

  private mutating func leave(_ group: SmoothingGroup, _ reason: String) {
    for key in group.keys { left.append((key, reason)) }
  }

  private func report(_ wanted: [QuantizeAssignment], _ model: Model, _ ledger: inout LayerLedger) {
    let reasons = Dictionary(left.map { ($0.key, $0.reason) }, uniquingKeysWith: { first, _ in first })
    for assignment in wanted where assignment.step.smooth != .auto {
      guard let reason = reasons[assignment.key] else { continue }
      let layer = assignment.layer
      ledger.skip(layer, model[graph: layer.path], reason: "not smoothed: \(reason)")
    }
    let automatic = wanted.filter { $0.step.smooth == .auto }
    for path in Set(automatic.map(\.path)).sorted() {
      let own = automatic.filter { $0.path == path }
      ledger.notes.append(Self.summary(path, own.count, own.compactMap { reasons[$0.key] }))
    }
  }

  /// `steps[0].quantize.smooth: auto smoothed 6 of 12 layers; left 4 (does not help), 2 (its input is the model's)`
  private static func summary(_ path: String, _ count: Int, _ reasons: [String]) -> String {
    var kinds: [String] = []
    for reason in reasons where !kinds.contains(reason) { kinds.append(reason) }
    let parts = kinds.map { kind in "\(reasons.count { $0 == kind }) (\(kind))" }
    let head = "\(path).smooth: auto smoothed \(count - reasons.count) of \(count) layers"
    return parts.isEmpty ? head : "\(head); left \(parts.joined(separator: ", "))"
  }
}

extension SmoothingSampler {
  /// Samples of the inputs of `layers`, from one walk over the data; nil for those that could not be read.
  fileprivate static func samples(
    _ layers: [WeightLayer], in model: Model, _ dataset: Dataset, _ context: StepContext
  ) throws(CompressionError) -> [SmoothingSample?] {
    var samplers = layers.map { SmoothingSampler($0, in: model.graph) }
    try ActivationObserver.observe(layers.map(\.activation), in: model, dataset, context.resources) {
      samplers[$0]?.add($1)
    }
    return samplers.map { $0?.sample }
  }
}

extension QuantizeStep {
  /// Whether smoothing looks at layers of the step: `auto` for 8-bit products and for weights alone of fewer bits that are
  /// rounded to the nearest.
  fileprivate var smoothes: Bool {
    switch smooth {
    case .none: return false
    case .exponent: return true
    case .auto:
      if mode != .none { return true }
      guard method == .round, let grid = grid as? IntegerGrid else { return false }
      return grid.bits < 8
    }
  }
}
