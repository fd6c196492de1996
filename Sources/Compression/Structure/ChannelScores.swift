import GraphIR
import Tensors

/// What the channels of a group count for in a model, by weights and by what the products that read them see.
struct ChannelScores {
  let model: Model
  private let layers: [Int: WeightLayer]

  init(_ model: Model) {
    self.model = model
    layers = Dictionary(
      LayerScan(model).layers.filter { $0.path.steps.isEmpty }.map { ($0.node, $0) },
      uniquingKeysWith: { first, _ in first })
  }

  /// A layer that reads a group's channels.
  struct Consumer {
    var layer: WeightLayer
    /// The rows that each channel takes in the layer's matrix.
    var rows: [[Int]]
    /// The columns too, where the layer also gives the group's channels, as inside a residual block.
    var columns: [[Int]]
  }

  func consumers(of group: ChannelGroup) -> [Consumer] {
    group.consumers.compactMap { reader in
      guard let layer = layers[reader.node], layer.weight == group.places[reader.place].value else {
        return nil
      }
      func spread(_ reader: ChannelGroup.Reader, _ width: Int) -> [[Int]] {
        group.places[reader.place].positions.map { $0.flatMap { $0 * width..<($0 + 1) * width } }
      }
      let giver = group.producers.first { $0.node == reader.node }
      let perChannel = layer.matrix.columns / max(layer.outputChannels, 1)
      return Consumer(
        layer: layer, rows: spread(reader, layer.tapsPerInput),
        columns: giver.map { spread($0, perChannel) } ?? [])
    }
  }

  /// The importance of each channel.
  /// - Throws: `CompressionError.dataset` when the data say nothing about the group.
  func values(
    _ group: ChannelGroup, _ step: PruneStep, _ statistics: [LayerKey: InputStatistics]
  ) throws(CompressionError) -> [Double] {
    if step.method == .l2 { return norms(group) }
    if let energies = energies(group, statistics) { return energies }
    throw .dataset("the calibration data give no finite inputs to the layers that read '\(group.name)'")
  }

  /// E[h²]·‖w_next‖², summed over the layers that read the channel.
  private func energies(_ group: ChannelGroup, _ statistics: [LayerKey: InputStatistics]) -> [Double]? {
    var sums = [Double](repeating: 0, count: group.count)
    var isKnown = false
    for consumer in consumers(of: group) {
      let layer = consumer.layer
      guard let seen = statistics[layer.key(in: model.graph)], seen.meanSquare.count == layer.matrix.depth
      else {
        continue
      }
      isKnown = true
      let own = ChannelImportance.energies(
        meanSquare: seen.meanSquare, weight: layer.matrix(of: layer.weights, group: 0),
        columns: layer.matrix.columns, rows: consumer.rows)
      for index in sums.indices { sums[index] += own[index] }
    }
    return isKnown ? sums : nil
  }

  /// ‖w‖² over all weights of the group.
  private func norms(_ group: ChannelGroup) -> [Double] {
    var sums = [Double](repeating: 0, count: group.count)
    for reader in group.producers + group.consumers {
      let place = group.places[reader.place]
      guard let weight = model.graph[place.value].constant, weight.type == .float32 else { continue }
      let run = weight.shape.product(place.axis + 1..<weight.shape.rank)
      let extent = weight.shape[place.axis]
      var squares = [Double](repeating: 0, count: extent)
      weight.withElements(Float.self) { elements in
        for index in elements.indices {
          squares[index / run % extent] += Double(elements[index]) * Double(elements[index])
        }
      }
      for (channel, positions) in place.positions.enumerated() {
        for position in positions { sums[channel] += squares[position] }
      }
    }
    return sums
  }
}

extension WeightLayer {
  /// Rows of the layer's matrix that belong to one input channel.
  var tapsPerInput: Int {
    if case .conv = kind { shape.product(2..<shape.rank) } else { 1 }
  }
}
