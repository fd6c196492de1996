import GraphIR
import Tensors

/// Runs samples through two models side by side and looks at the outputs of their layers.
struct LayerComparison {
  private static let rows = 64

  /// Multiply-accumulates of all layers for one sample, before and after; effective are those whose weight is not zero.
  private(set) var macsBefore = 0
  private(set) var macs = 0
  private(set) var effectiveMACsBefore = 0
  private(set) var effectiveMACs = 0
  /// Multiply-accumulates for one sample before, by the layer's output name.
  private(set) var multiplies: [String: Int] = [:]
  /// In dB by the layer's output name; nil for layers whose outputs are equal, or in another scale.
  private(set) var sqnr: [String: Double] = [:]

  /// - Parameters:
  ///   - before: the normalised model; its layers are those of `ledger`.
  ///   - after: the compressed model, where layer outputs have the same names.
  init(
    _ before: Model, _ after: Model, _ ledger: LayerLedger, _ samples: Dataset, _ resources: Resources
  ) throws(CompressionError) {
    // Values of bodies cannot be observed together: a branch that is not taken has none.
    let layers = LayerScan(before).layers.filter { $0.path.steps.isEmpty }
    let names = ledger.outputNames
    let layerByName = Dictionary(
      layers.map { (before.graph[$0.output].name, $0) }, uniquingKeysWith: { first, _ in first })
    // Joined operators leave no output of their layer alone.
    let afterIDs = after.graph.computedValues
    let compared = names.filter { layerByName[$0] != nil && afterIDs[$0] != nil }
    if compared.isEmpty { return }

    let chosen = compared.compactMap { layerByName[$0] }
    // Activations follow the outputs: they count the multiplications of transposed convolutions.
    let reference = try ObservedModel(before, chosen.map(\.output) + chosen.map(\.activation), resources)
    let candidate = try ObservedModel(after, compared.compactMap { afterIDs[$0] }, resources)
    let binding = try DatasetBinding(try samples.prefix(Self.rows), reference.ports)
    let size = min(8, try ActivationObserver.rowsThatFit(reference, binding))
    var errors = compared.map { _ in SignalError() }
    var isCounted = false
    for range in binding.batches(of: size) {
      let inputs = try binding.inputs(range)
      let expected = try reference.values(for: inputs)
      let actual = try candidate.values(for: inputs)
      for index in compared.indices { errors[index].add(expected[index], actual[index]) }
      if !isCounted {
        let rows = binding.batching == .single ? 1 : Self.batchRows(inputs)
        count(chosen, compared, expected, rows: rows, ledger)
        isCounted = true
      }
      try resources.meter.advance(to: Double(range.upperBound) / Double(binding.rows))
    }
    for (name, error) in zip(compared, errors) where error.decibels.isFinite && !ledger.isRescaled(name) {
      sqnr[name] = error.decibels
    }
  }

  private static func batchRows(_ inputs: [Tensor]) -> Int {
    max(inputs.first?.shape.dimensions.first ?? 1, 1)
  }

  private mutating func count(
    _ layers: [WeightLayer], _ names: [String], _ values: [Tensor], rows: Int, _ ledger: LayerLedger
  ) {
    for (index, layer) in layers.enumerated() {
      let isTransposed = if case .convTranspose = layer.kind { true } else { false }
      let outputs = values[isTransposed ? layers.count + index : index].elementCount
      let multiplies = outputs * layer.multipliesPerElement
      let before = Double(multiplies / rows)
      // Positions stay the same, so that what is left of the weight is left of the work.
      let elements = ledger.elements(names[index])
      let after = before * Double(elements.after) / Double(max(elements.before, 1))
      let sparsity = ledger.sparsity(names[index])
      self.multiplies[names[index]] = multiplies / rows
      macsBefore += multiplies / rows
      macs += Int(after.rounded())
      effectiveMACsBefore += Int((before * (1 - sparsity.before)).rounded())
      effectiveMACs += Int((after * (1 - sparsity.after)).rounded())
    }
  }
}
