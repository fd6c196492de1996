import GraphIR
import Tensors

/// Lets the layers that read removed channels make up for them.
struct ChannelRepair {
  /// Only biases change: they take up what the removed channels gave on average.
  var usesBiasOnly: Bool

  /// - Parameters:
  ///   - kept: channels that stay.
  ///   - consumers: layers of `model`.
  ///   - statistics: of the inputs in `model`.
  ///   - thinned: `model` without the channels, its nodes the same.
  /// - Throws: as `ConsumerRepair.repair`.
  func apply(
    _ kept: [Int], _ consumers: [ChannelScores.Consumer], _ statistics: [LayerKey: InputStatistics],
    from model: Model, to thinned: inout Model
  ) throws(CompressionError) {
    let left = Dictionary(
      LayerScan(thinned).layers.filter { $0.path.steps.isEmpty }.map { ($0.node, $0) },
      uniquingKeysWith: { first, _ in first })
    var readers: [ValueID: Int] = [:]
    for layer in left.values { readers[layer.weight, default: 0] += 1 }
    let index = GraphIndex(thinned.graph)
    var editor = GraphEditor(thinned.graph, "channel repair")
    for consumer in consumers {
      let layer = consumer.layer
      // What is best for one layer is not for another that has the same weight.
      guard let thin = left[layer.node], readers[thin.weight] == 1,
        let seen = statistics[layer.key(in: model.graph)], seen.mean.count == layer.matrix.depth
      else { continue }
      try repair(
        layer, rows: Self.rest(of: layer.matrix.depth, without: kept, consumer.rows),
        columns: Self.rest(of: layer.matrix.columns, without: kept, consumer.columns), thin, seen, index,
        &editor)
    }
    try editor.apply(to: &thinned)
  }

  /// The rows or columns that are left when only the channels `kept` are.
  private static func rest(of count: Int, without kept: [Int], _ places: [[Int]]) -> [Int] {
    let removed = Set(Set(places.indices).subtracting(kept).flatMap { places[$0] })
    return (0..<count).filter { !removed.contains($0) }
  }

  /// - Parameters:
  ///   - rows: those of the layer's matrix that are left in `thin`; `columns`: the same.
  private func repair(
    _ layer: WeightLayer, rows: [Int], columns: [Int], _ thin: WeightLayer, _ seen: InputStatistics,
    _ index: GraphIndex, _ editor: inout GraphEditor
  ) throws(CompressionError) {
    let all = layer.matrix.columns
    let whole = layer.matrix(of: layer.weights, group: 0)
    var weight: [Float] = []
    for row in 0..<layer.matrix.depth {
      for column in columns { weight.append(whole[row * all + column]) }
    }
    let gram = usesBiasOnly ? nil : seen.gram.first.flatMap { $0.size == layer.matrix.depth ? $0 : nil }
    var fitted: ConsumerRepair.Result?
    if let gram {
      fitted = try ConsumerRepair.repair(gram, mean: seen.mean, weight, columns: columns.count, kept: rows)
    }
    let shift = fitted?.biasShift ?? Self.lostMeans(seen.mean, weight, columns: columns.count, kept: rows)
    var isPlaced = false
    // Elements of a transposed convolution's window add up in one output.
    if columns.count == thin.outputChannels { isPlaced = try place(shift, thin, index, &editor) }
    if !isPlaced, let gram {
      // Nothing can take the constant, so the weights have to answer for the mean too.
      let nowhere = [Double](repeating: 0, count: gram.size)
      fitted = try ConsumerRepair.repair(gram, mean: nowhere, weight, columns: columns.count, kept: rows)
    }
    guard let fitted else { return }
    var result = thin.weights
    thin.store(fitted.weight, group: 0, in: &result)
    editor.setConstant(thin.weight, result)
  }

  private func place(
    _ shift: [Float], _ layer: WeightLayer, _ index: GraphIndex, _ editor: inout GraphEditor
  ) throws(CompressionError) -> Bool {
    let scaled = shift.map { $0 * layer.alpha }
    do {
      return try LayerBias.add(scaled, to: layer, index, &editor)
    } catch {
      throw .model("\(error)")
    }
  }

  private static func lostMeans(_ mean: [Double], _ weight: [Float], columns: Int, kept: [Int]) -> [Float] {
    var sums = [Double](repeating: 0, count: columns)
    for row in Set(mean.indices).subtracting(kept).sorted() where mean[row] != 0 {
      for column in 0..<columns { sums[column] += mean[row] * Double(weight[row * columns + column]) }
    }
    return sums.map { Float($0) }
  }
}
