import Tensors

/// Turns the weights of layers into codes, as a step asks.
struct WeightCoder: Sendable {
  private let step: QuantizeStep

  init(_ step: QuantizeStep) { self.step = step }

  /// The operator set that files with such codes need.
  var opset: Int {
    let isBlocked = step.weights.hasScales && step.granularity == .group
    return max(isBlocked ? 21 : 13, step.storage.dequantizationOpset)
  }

  /// Whether the codes depend on second moments of a layer's inputs.
  var usesGram: Bool { step.grid != nil && step.method != .round }

  /// Whether they depend on the inputs at all.
  var usesInputs: Bool {
    guard let grid = step.grid else { return false }
    let bits = (grid as? IntegerGrid)?.bits ?? 8
    return usesGram || grid is CodebookGrid || step.clip.resolved(bits: bits, knowsInputs: true) == .oscar
  }

  /// - Parameters:
  ///   - layer: its weight is coded as it is; factors of the product are the caller's.
  ///   - statistics: of the layer's inputs. Nil, or without second moments: codes are rounded to the nearest.
  ///   - minimumScales: lower bounds for the scales of the output channels.
  /// - Throws: `CompressionError.model` where the second moments cannot be used.
  func code(
    _ layer: WeightLayer, _ statistics: InputStatistics? = nil, minimumScales: [Float]? = nil
  ) throws(CompressionError) -> CodedWeight {
    guard let grid = step.grid else { return try floatCode(layer) }
    let (groups, groupNote) = scaleGroups(layer)
    var notes = [groupNote, bitsNote(grid)]
    var solved: (codes: [Int32], scales: [GridScale])?
    if usesGram {
      let obstacle = gramObstacle(layer, statistics, groups)
      notes.append(obstacle.map { "\($0): rounded to the nearest" })
      if obstacle == nil, let statistics {
        solved = try solve(layer, grid, groups, statistics.gram, minimumScales)
      }
    }
    if solved == nil { solved = try nearest(layer, grid, groups, statistics, minimumScales) }
    guard let (codes, scales) = solved else { preconditionFailure("rounding gave nothing") }
    let tensor = try tensors { () throws(TensorError) in
      try Tensor(codes: codes, as: grid.storage, shape: layer.shape)
    }
    let note = notes.compactMap { $0 }.joined(separator: "; ")
    var coded = CodedWeight(
      storage: grid.storage, codes: tensor, groups: groups, scales: scales, note: note.isEmpty ? nil : note)
    if let grid = grid as? IntegerGrid,
      step.clip.resolved(bits: grid.bits, knowsInputs: statistics != nil) != .none
    {
      coded.clipped = coded.fraction(of: layer.weights, outside: grid.codes, layer.weightAxes)
    }
    return coded
  }

  private func floatCode(_ layer: WeightLayer) throws(CompressionError) -> CodedWeight {
    let format: FloatStorage = step.weights == .fp16 ? .fp16 : step.weights == .bf16 ? .bf16 : .fp8
    let hasChannels = format == .fp8 && step.granularity != .tensor
    return try tensors { () throws(TensorError) in
      try format.code(layer.weights, channelAxis: hasChannels ? layer.outputAxis : nil)
    }
  }

  /// What shares a scale in `layer`, and why that is not what the step says.
  private func scaleGroups(_ layer: WeightLayer) -> (ScaleGroups, note: String?) {
    // A table of numbers for each channel would be as large as the codes.
    if step.weights == .codebook || step.granularity == .tensor { return (.tensor, nil) }
    if step.granularity == .channel { return (.channel, nil) }
    if layer.depthAxis == nil {
      return (.channel, "no groups along several axes: one scale for each channel")
    }
    // One group is all of a channel.
    return (step.group < layer.matrix.depth ? .blocks(step.group) : .channel, nil)
  }

  private func bitsNote(_ grid: any WeightGrid) -> String? {
    guard let grid = grid as? IntegerGrid, grid.bits != grid.storage.bitWidth else { return nil }
    return "\(grid.bits) bits stored in \(grid.storage.bitWidth)"
  }

  // MARK: To the nearest

  private func nearest(
    _ layer: WeightLayer, _ grid: any WeightGrid, _ groups: ScaleGroups, _ statistics: InputStatistics?,
    _ minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale]) {
    let layout = layer.matrix
    guard case .blocks = groups else {
      // Matrices of a stack share the scales of their channels.
      let order = ChannelOrder(layer.shape, axis: layer.outputAxis)
      let rounding = NearestRounding(importance: order.rows == layout.depth ? importance(statistics, 0) : nil)
      let values = layer.weights.withElements(Float.self) { order.byChannel(Array($0)) }
      let (codes, scales) = try rounding.codes(
        values, MatrixLayout(groups: 1, depth: order.rows, columns: order.channels), grid, groups, step.clip,
        gram: nil, mask: nil, minimumScales: minimumScales)
      return (order.byTensor(codes), scales)
    }
    var codes: [Int32] = []
    var scales: [GridScale] = []
    for group in 0..<layout.groups {
      let rounding = NearestRounding(importance: importance(statistics, group))
      let result = try rounding.codes(
        layer.matrix(of: layer.weights, group: group), layout, grid, groups, step.clip, gram: nil, mask: nil,
        minimumScales: minimumScales)
      codes += result.codes
      scales += result.scales
    }
    return (layer.arranged(codes), scales)

    /// E[x²] of the rows of a group's matrix, where they are known for all of a layer's groups alike.
    func importance(_ statistics: InputStatistics?, _ group: Int) -> [Float]? {
      guard let statistics, layer.isProduct, layout.groups == 1, statistics.meanSquare.count == layout.depth
      else { return nil }
      return statistics.meanSquare.map { Float($0) }
    }
  }

  // MARK: With second moments

  /// Why second moments cannot be used for `layer`; nil when they can.
  private func gramObstacle(
    _ layer: WeightLayer, _ statistics: InputStatistics?, _ groups: ScaleGroups
  ) -> String? {
    switch layer.kind {
    case .convTranspose, .table, .recurrent: return "\(layer.op)"
    case .matMul where layer.shape.rank != 2: return "a stack of matrices"
    case .matMul, .gemm, .conv: break
    }
    let layout = layer.matrix
    if groups == .tensor && layout.groups > 1 { return "one scale for several groups" }
    guard let statistics else { return "nothing is known of the inputs" }
    let isKnown =
      statistics.gram.count == layout.groups && statistics.gram.allSatisfy { $0.size == layout.depth }
    return isKnown ? nil : "depth \(layout.depth)"
  }

  private func solve(
    _ layer: WeightLayer, _ grid: any WeightGrid, _ groups: ScaleGroups, _ gram: [SymmetricMatrix],
    _ minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale]) {
    let layout = layer.matrix
    let rounding: any WeightRounding = step.method == .descent ? DescentRounding() : GPTQRounding()
    var codes: [Int32] = []
    var scales: [GridScale] = []
    for group in 0..<layout.groups {
      let values = layer.matrix(of: layer.weights, group: group)
      // What was pruned stays so.
      let mask = values.contains(0) ? values.map { $0 == 0 } : nil
      let channels = group * layout.columns..<(group + 1) * layout.columns
      let result = try rounding.codes(
        values, layout, grid, groups, step.clip, gram: gram[group], mask: mask,
        minimumScales: minimumScales.map { Array($0[channels]) })
      codes += result.codes
      scales += result.scales
    }
    return (layer.arranged(codes), scales)
  }
}

/// The elements of a tensor as a matrix `[rows, channels]`, a column for each index of one axis.
private struct ChannelOrder {
  let channels: Int
  let rows: Int
  private let inner: Int

  init(_ shape: Shape, axis: Int) {
    channels = shape[axis]
    inner = shape.product(axis + 1..<shape.rank)
    rows = shape.product(0..<axis) * inner
  }

  func byChannel<Element>(_ elements: [Element]) -> [Element] {
    (0..<elements.count).map { elements[index(row: $0 / channels, channel: $0 % channels)] }
  }

  func byTensor<Element>(_ elements: [Element]) -> [Element] {
    var result = elements
    for index in elements.indices {
      result[self.index(row: index / channels, channel: index % channels)] = elements[index]
    }
    return result
  }

  private func index(row: Int, channel: Int) -> Int {
    (row / inner * channels + channel) * inner + row % inner
  }
}
