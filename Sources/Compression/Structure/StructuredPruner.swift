import GraphIR
import Tensors

/// Removes whole channels or attention heads with all that belongs to them, and lets the products that read them make
/// up for the loss.
///
/// Groups go in graph order, each judged by what it carries once those before it are thinned out.
enum StructuredPruner {
  /// - Throws: `CompressionError.recipe` for patterns that match no layer, and for what needs calibration data.
  static func apply(
    _ step: PruneStep, to model: inout Model, _ ledger: inout LayerLedger, _ context: StepContext
  ) throws(CompressionError) {
    try check(step, context)
    let original = model
    let layers = LayerScan(model).layers
    let reasons = try step.selection.reasonsToSkip(layers, path: context.path)
    var skipped: [String: String] = [:]
    for (layer, reason) in zip(layers, reasons) {
      if let reason { skipped[model[graph: layer.path][layer.output].name] = reason }
    }
    let channels = ChannelGroups(model)
    let selection = ChannelSelection(channels, layers, model.graph, step, skipped: skipped)
    let counts = try keptCounts(selection.groups.map { channels.groups[$0] }, model, step, context)
    for (place, (group, count)) in zip(selection.groups, counts).enumerated() {
      try thin(group, channels.groups[group].name, to: count, &model, step, context)
      try context.resources.meter.advance(to: Double(place + 1) / Double(counts.count))
    }
    note(original, model, selection, step, in: &ledger)
  }

  private static func check(_ step: PruneStep, _ context: StepContext) throws(CompressionError) {
    if context.calibration != nil { return }
    if step.method == .activationEnergy {
      throw .recipe(
        "\(context.path).method: activation_energy needs calibration data; name a dataset, or use l2")
    }
    if step.repair == .leastSquares || step.repair == .bias {
      throw .recipe("\(context.path).repair: \(step.repair.rawValue) needs calibration data")
    }
  }

  /// How many channels of each group stay.
  private static func keptCounts(
    _ groups: [ChannelGroup], _ model: Model, _ step: PruneStep, _ context: StepContext
  ) throws(CompressionError) -> [Int] {
    let sparsity = step.sparsity ?? 0
    if step.scope != .global || groups.isEmpty {
      return groups.map {
        ChannelImportance.keptCount(of: $0.count, sparsity: sparsity, multiple: $0.multiple)
      }
    }
    let scores = ChannelScores(model)
    let readers = groups.flatMap { scores.consumers(of: $0).map(\.layer) }
    let isByData = step.method == .activationEnergy
    let statistics = isByData ? try context.inputStatistics(of: readers, .meanSquare, in: model) : [:]
    var values: [[Double]] = []
    for group in groups { values.append(try scores.values(group, step, statistics)) }
    return ChannelImportance.keptCounts(values, sparsity: sparsity, multiple: groups[0].multiple)
  }

  /// Removes all but `count` channels of group `number`.
  private static func thin(
    _ number: Int, _ name: String, to count: Int, _ model: inout Model, _ step: PruneStep,
    _ context: StepContext
  ) throws(CompressionError) {
    let channels = ChannelGroups(model)
    guard channels.groups.indices.contains(number), channels.groups[number].name == name else {
      throw .model("the channels of '\(name)' are tied to others once those before them are removed")
    }
    let group = channels.groups[number]
    if count >= group.count { return }
    let scores = ChannelScores(model)
    let consumers = scores.consumers(of: group)
    var need: StatisticsNeed = step.method == .activationEnergy ? .meanSquare : []
    if step.repair != .none { need.formUnion(step.repair == .bias ? .mean : [.mean, .gram]) }
    // Only what leads to the readers has to run.
    var part = model
    part.graph.outputs = Set(consumers.map(\.layer.activation)).sorted()
    let statistics =
      need.isEmpty ? [:] : try context.inputStatistics(of: consumers.map(\.layer), need, in: part)
    let kept = ChannelImportance.largest(try scores.values(group, step, statistics), count: count)
    var thinned = try channels.slicing(number, keeping: kept, in: model)
    let repair = ChannelRepair(usesBiasOnly: step.repair == .bias)
    if step.repair != .none { try repair.apply(kept, consumers, statistics, from: model, to: &thinned) }
    model = thinned
  }

  /// Tells for each layer what is left of it, or why nothing was done.
  private static func note(
    _ original: Model, _ model: Model, _ selection: ChannelSelection, _ step: PruneStep,
    in ledger: inout LayerLedger
  ) {
    var after: [String: WeightLayer] = [:]
    for layer in LayerScan(model).layers where layer.path.steps.isEmpty {
      after[model.graph[layer.output].name] = layer
    }
    for layer in LayerScan(original).layers {
      let graph = original[graph: layer.path]
      let output = graph[layer.output].name
      guard layer.path.steps.isEmpty, let left = after[output] else {
        ledger.skip(layer, graph, reason: "channels inside a sub-graph are not removed")
        continue
      }
      if left.shape == layer.shape {
        let count = layer.outputChannels
        ledger.skip(
          layer, graph,
          reason: selection.reasons[output]
            ?? "no fewer than its \(count) channels make a multiple of 8 near enough")
        continue
      }
      ledger.record(
        layer, graph, method: label(of: left, from: layer), effective: left.weights,
        bytes: left.weights.byteCount)
    }
  }

  /// `channels 128 of 256, inputs 64 of 128`
  private static func label(of layer: WeightLayer, from original: WeightLayer) -> String {
    var parts: [String] = []
    if layer.outputChannels != original.outputChannels {
      parts.append("channels \(layer.outputChannels) of \(original.outputChannels)")
    }
    let (inputs, all) = (
      layer.matrix.depth / layer.tapsPerInput, original.matrix.depth / original.tapsPerInput
    )
    if inputs != all { parts.append("inputs \(inputs) of \(all)") }
    return parts.joined(separator: ", ")
  }
}
