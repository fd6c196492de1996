import GraphIR
import Tensors

/// Measures the inputs of layers on calibration data.
enum InputStatisticsPass {
  /// Layers of more inputs to an output get no second moments: those of 4608 take 162 MiB.
  static let maximumDepth = 4608
  /// Rows that moments of few inputs are averaged over; of more than an eighth as many inputs, eight for each.
  private static let leastRows = 8192

  /// Walks over `dataset`, more than once where the sums of all layers would take more than `memory` bytes.
  ///
  /// Of layers with many positions, such as convolutions, every s-th position counts, so that rows are at most 8192
  /// or eight for each input; s depends on shapes alone.
  /// - Returns: nothing for layers that see no rows or numbers that are not finite, and for those in sub-graphs;
  ///   `gram` is empty beyond `maximumDepth` or where one layer's would take more than `memory`.
  static func measure(
    _ wanted: [(layer: WeightLayer, need: StatisticsNeed)], in model: Model, _ dataset: Dataset, memory: Int,
    _ resources: Resources
  ) throws(CompressionError) -> [LayerKey: InputStatistics] {
    var result: [LayerKey: InputStatistics] = [:]
    for portion in portions(wanted, memory: memory) {
      var sums = portion.compactMap { LayerSum($0.layer, $0.need, in: model.graph, samples: dataset.rows) }
      if sums.isEmpty { continue }
      try walk(&sums, model, dataset, resources)
      for index in sums.indices {
        result[sums[index].key] = sums[index].sum.statistics
        sums[index].sum = InputStatisticsSum(depth: 0, groups: 0, [])
      }
    }
    return result
  }

  /// Layers in their order, cut so that the moments of each part take at most `memory` bytes, with what a layer can
  /// not have taken out of its needs.
  static func portions(
    _ wanted: [(layer: WeightLayer, need: StatisticsNeed)], memory: Int
  ) -> [[(layer: WeightLayer, need: StatisticsNeed)]] {
    var portions: [[(layer: WeightLayer, need: StatisticsNeed)]] = []
    var taken = 0
    for (layer, need) in wanted {
      var need = need
      var bytes = momentBytes(layer)
      if layer.matrix.depth > maximumDepth || bytes > memory { need.remove(.gram) }
      if !need.contains(.gram) { bytes = 0 }
      if portions.isEmpty || taken + bytes > memory {
        portions.append([])
        taken = 0
      }
      portions[portions.count - 1].append((layer, need))
      taken += bytes
    }
    return portions
  }

  private static func momentBytes(_ layer: WeightLayer) -> Int {
    let layout = layer.matrix
    let (square, isLarge) = layout.depth.multipliedReportingOverflow(by: layout.depth)
    let (bytes, isLarger) = square.multipliedReportingOverflow(by: 8 * max(layout.groups, 1))
    return isLarge || isLarger ? .max : bytes
  }

  /// How many positions there are from one that counts to the next, such that no column of an image is favoured.
  static func stride(positions: Int, perSample: Int, depth: Int) -> Int {
    let limit = max(8 * depth, leastRows)
    var stride = max((positions + limit - 1) / limit, 1)
    while stride > 1 && greatestCommonDivisor(stride, max(perSample, 1)) > 1 { stride += 1 }
    return stride
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
  }

  private static func walk(
    _ sums: inout [LayerSum], _ model: Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) {
    let observed = try ObservedModel(model, sums.map(\.activation), resources)
    let binding = try DatasetBinding(dataset, observed.ports)
    let size = try ActivationObserver.rowsThatFit(observed, binding)
    for range in binding.batches(of: size) {
      let tensors = try observed.values(for: binding.inputs(range))
      // A call with a fixed batch may be filled up with rows that are no samples.
      let call = if case .fixed(let extent) = binding.batching { extent } else { range.count }
      for (index, tensor) in tensors.enumerated() {
        sums[index].add(tensor, samples: range, ofRows: call)
        try resources.meter.tick()
      }
      try resources.meter.advance(to: Double(range.upperBound) / Double(binding.rows))
    }
  }
}

/// The statistics of one layer in the making.
private struct LayerSum {
  let key: LayerKey
  let activation: ValueID
  var sum: InputStatisticsSum
  private let input: LayerInputRows
  private let layout: MatrixLayout
  private let sampleCount: Int
  private var stride: Int?
  /// Positions until the next one that counts.
  private var skipped = 0

  init?(_ layer: WeightLayer, _ need: StatisticsNeed, in graph: Graph, samples: Int) {
    guard layer.path.steps.isEmpty, let input = LayerInputRows(layer, in: graph) else { return nil }
    key = layer.key(in: graph)
    activation = layer.activation
    self.input = input
    layout = layer.matrix
    sampleCount = samples
    sum = InputStatisticsSum(depth: layout.depth, groups: layout.groups, need)
  }

  /// - Parameters:
  ///   - samples: the numbers of the samples in this batch.
  ///   - rows: how many the call was made with, of which those beyond `samples` do not count.
  mutating func add(_ tensor: Tensor, samples: Range<Int>, ofRows rows: Int) {
    guard tensor.type == .float32, let positions = input.positions(of: tensor.shape), positions.count > 0,
      layout.depth > 0
    else { return }
    // Where positions do not belong to samples, all of them count.
    let isDivided = positions.count % rows == 0
    let perSample = isDivided ? positions.count / rows : positions.count
    let count = isDivided ? perSample * samples.count : positions.count
    let stride =
      self.stride
      ?? InputStatisticsPass.stride(
        positions: count * sampleCount / samples.count, perSample: perSample, depth: layout.depth)
    self.stride = stride
    let chosen = Array(Swift.stride(from: skipped, to: count, by: stride))
    skipped = (chosen.last.map { $0 + stride } ?? skipped) - count
    tensor.withElements(Float.self) { elements in
      for group in 0..<layout.groups {
        add(chosen, group, positions, elements, samples.lowerBound, isDivided ? perSample : .max)
      }
    }
  }

  private mutating func add(
    _ chosen: [Int], _ group: Int, _ positions: LayerInputRows.Positions,
    _ elements: UnsafeBufferPointer<Float>, _ firstSample: Int, _ perSample: Int
  ) {
    let depth = layout.depth
    // Rows of about a megabyte at a time.
    let portion = max((1 << 18) / depth, 64)
    var rows = [Float](repeating: 0, count: min(portion, chosen.count) * depth)
    for start in Swift.stride(from: 0, to: chosen.count, by: portion) {
      var samples: [Int] = []
      rows.withUnsafeMutableBufferPointer { rows in
        for position in chosen[start..<min(start + portion, chosen.count)] {
          let row = samples.count * depth
          let place = UnsafeMutableBufferPointer(rebasing: rows[row..<row + depth])
          if positions.fill(place, position, group, elements) {
            samples.append(firstSample + position / perSample)
          }
        }
      }
      rows.withUnsafeBufferPointer { rows in
        sum.add(
          UnsafeBufferPointer(rebasing: rows[0..<samples.count * depth]), group: group, samples: samples)
      }
    }
  }
}
