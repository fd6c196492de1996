import GraphIR
import Tensors

/// Lets biases take up the mean error of changed layers, channel by channel: Δb = E[y] − E[ŷ] on calibration data.
///
/// Nagel et al., "Data-free quantization through weight equalization and bias correction" (2019), section 4.2, with the
/// outputs themselves measured, so that it holds for every form of a layer, for padded borders and for errors of
/// quantized activations. No channel moves by more than one standard deviation of its output.
enum BiasCorrector {
  private struct Target {
    var layer: WeightLayer
    /// The layer's output, which no step renames.
    var name: String

    /// Output channels over all groups.
    private var channels: Int {
      if case .convTranspose(let groups) = layer.kind { return layer.outputChannels * groups }
      return layer.outputChannels
    }

    var moments: ChannelMoments {
      ChannelMoments(channels: channels, isImage: layer.isConvolution)
    }

    func place(_ output: ValueID, _ graph: Graph, _ index: GraphIndex) -> BiasPlace? {
      BiasPlace(
        of: output, channels: channels, channelsFromEnd: layer.isConvolution ? layer.shape.rank - 2 : 0,
        graph,
        index)
    }
  }

  /// Corrects layers in graph order, each for what those before it still get wrong, as long as one walk over the data
  /// for each layer is little work; else all at once, each for its own error on the inputs that `reference` gives it.
  ///
  /// Layers without a place for a bias are left alone, and so is everything without calibration data.
  /// - Parameters:
  ///   - reference: the model whose outputs are right.
  ///   - keepsOnlyGains: takes all back unless the outputs on the calibration data agree better, or as well.
  ///   - workLimit: multiplications up to which layers go one after the other.
  static func correct(
    _ keys: [LayerKey], from reference: Model, in model: inout Model, _ context: StepContext,
    keepsOnlyGains: Bool, workLimit: Double = CalibrationWork.limit
  ) throws(CompressionError) {
    guard let dataset = context.calibration else { return }
    let wanted = Set(keys)
    let targets = LayerScan(reference).layers.compactMap { layer -> Target? in
      guard layer.path.steps.isEmpty, layer.isProduct, wanted.contains(layer.key(in: reference.graph)) else {
        return nil
      }
      return Target(layer: layer, name: reference.graph[layer.output].name)
    }
    let index = GraphIndex(model.graph)
    let values = Self.values(model.graph)
    let placed = targets.filter { target in
      values[target.name].flatMap { target.place($0, model.graph, index) } != nil
    }
    if placed.isEmpty { return }
    let before = model
    let work = try CalibrationWork.multiplications(
      of: placed.map(\.layer), in: reference, dataset, context.resources)
    if work * Double(placed.count) <= workLimit {
      try correctInOrder(placed, reference, &model, dataset, context.resources)
    } else {
      try correctAtOnce(placed, reference, &model, dataset, context.resources)
    }
    if keepsOnlyGains {
      let agreement = OutputAgreement(reference, dataset, context.resources)
      if try agreement.of(model) < agreement.of(before) { model = before }
    }
  }

  private static func values(_ graph: Graph) -> [String: ValueID] {
    Dictionary(
      graph.values.indices.map { (graph.values[$0].name, ValueID($0)) },
      uniquingKeysWith: { first, _ in first })
  }

  private static func correctInOrder(
    _ targets: [Target], _ reference: Model, _ model: inout Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) {
    var right = targets.map(\.moments)
    try ActivationObserver.observe(targets.map(\.layer.output), in: reference, dataset, resources) {
      right[$0].add($1)
    }
    for (target, right) in zip(targets, right) {
      guard let value = values(model.graph)[target.name] else { continue }
      var cut = model
      cut.graph.outputs = [value]
      var seen = target.moments
      try ActivationObserver.observe([value], in: cut, dataset, resources) { seen.add($1) }
      try shift([(target, right, seen)], &model)
    }
  }

  private static func correctAtOnce(
    _ targets: [Target], _ reference: Model, _ model: inout Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) {
    let ids = values(model.graph)
    let known = targets.filter {
      ids[$0.name] != nil && ids[reference.graph[$0.layer.activation].name] != nil
    }
    let observed = try ObservedModel(
      reference, known.map(\.layer.activation) + known.map(\.layer.output), resources)
    let binding = try DatasetBinding(dataset, observed.ports)
    let size = try ActivationObserver.rowsThatFit(observed, binding)
    var (right, seen) = (known.map(\.moments), known.map(\.moments))
    var layerwise: LayerwiseModel?
    for range in binding.batches(of: size) {
      let inputs = try binding.inputs(range)
      let tensors = try observed.values(for: inputs)
      var activations: [ValueID: Tensor] = [:]
      var layers: [(activation: ValueID, rank: Int, output: ValueID)] = []
      for (target, tensor) in zip(known, tensors) {
        guard let activation = ids[reference.graph[target.layer.activation].name],
          let output = ids[target.name]
        else { continue }
        activations[activation] = tensor
        layers.append((activation, tensor.shape.rank, output))
      }
      if layerwise == nil { layerwise = try LayerwiseModel(model, layers, resources) }
      guard let cut = layerwise else { continue }
      let outputs = try cut.outputs(inputs, activations: cut.added.compactMap { activations[$0] })
      for index in known.indices {
        right[index].add(tensors[known.count + index])
        seen[index].add(outputs[index])
      }
      try resources.meter.advance(to: Double(range.upperBound) / Double(binding.rows))
    }
    try shift(known.indices.map { (known[$0], right[$0], seen[$0]) }, &model)
  }

  private static func shift(
    _ measured: [(target: Target, right: ChannelMoments, seen: ChannelMoments)], _ model: inout Model
  ) throws(CompressionError) {
    let index = GraphIndex(model.graph)
    let values = values(model.graph)
    var editor = GraphEditor(model.graph, "bias correction")
    for (target, right, seen) in measured {
      guard let right = right.moments, let seen = seen.moments, let value = values[target.name],
        let place = target.place(value, model.graph, index)
      else { continue }
      let shift = right.means.indices.map { channel in
        let bound = right.deviations[channel]
        return Float(min(max(right.means[channel] - seen.means[channel], -bound), bound))
      }
      if shift.allSatisfy({ $0 == 0 }) { continue }
      try tensors { () throws(TensorError) in try place.add(shift, &editor) }
    }
    try editor.apply(to: &model)
  }
}
