import GraphIR
import Tensors

/// Lets biases take up the mean error of changed weights: Δb[o] = Σₖ w[k, o] · E[x[k]] − ŵ[k, o] · E[x̂[k]], where x̂
/// is the input that the changed model sees.
///
/// Nagel et al., "Data-free quantization through weight equalization and bias correction" (2019), equation 13,
/// with the mean input measured on calibration data. Convolutions ignore the padded border.
enum BiasCorrection {
  /// What to add to the bias of each output channel; nil when the means are not known.
  /// - Parameter changedMeans: of the input in the changed model; nil: as `means`.
  static func shift(
    _ layer: WeightLayer, from original: Tensor, to changed: Tensor, means: [Double]?,
    changedMeans: [Double]? = nil
  ) -> [Float]? {
    guard let means, means.count == inputChannels(of: layer) else { return nil }
    let seen = changedMeans ?? means
    if seen.count != means.count { return nil }
    var shift = [Double](repeating: 0, count: layer.outputChannels)
    let walk = ChannelWalk(layer.shape, axis: layer.outputAxis)
    original.withElements(Float.self) { before in
      changed.withElements(Float.self) { after in
        for index in before.indices {
          let channel = walk.channel(of: index)
          let input = inputChannel(of: index, output: channel, layer)
          shift[channel] += Double(before[index]) * means[input] - Double(after[index]) * seen[input]
        }
      }
    }
    return shift.map { Float(Double(layer.alpha) * $0) }
  }

  /// The mean of each input channel on `dataset`, by layer node; layers that the closed form does not hold for are
  /// left out.
  static func inputMeans(
    _ layers: [WeightLayer], _ model: Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) -> [Int: [Double]] {
    let fitting = layers.filter(applies)
    var means = fitting.map { ChannelMeans(channels: inputChannels(of: $0), isImage: $0.isConvolution) }
    try ActivationObserver.observe(fitting.map(\.activation), in: model, dataset, resources) {
      position, tensor in
      if tensor.type == .float32 { means[position].add(tensor) }
    }
    var result: [Int: [Double]] = [:]
    for (layer, mean) in zip(fitting, means) { result[layer.node] = mean.means }
    return result
  }

  private static func inputChannels(of layer: WeightLayer) -> Int {
    switch layer.kind {
    case .matMul: layer.shape[layer.shape.rank - 2]
    case .gemm(let isTransposed): layer.shape[isTransposed ? 1 : 0]
    case .conv(let groups): layer.shape[1] * groups
    case .convTranspose, .gather: layer.shape[0]
    case .recurrent: layer.shape[2]
    }
  }

  /// Whether the closed form holds: a stack of matrices has other weights for each batch entry.
  private static func applies(to layer: WeightLayer) -> Bool {
    switch layer.kind {
    case .matMul: layer.shape.rank == 2
    case .gemm, .conv: true
    case .convTranspose, .gather, .recurrent: false
    }
  }

  private static func inputChannel(of element: Int, output: Int, _ layer: WeightLayer) -> Int {
    let shape = layer.shape
    switch layer.kind {
    case .matMul, .gemm(isTransposed: false): return element / shape[1]
    case .gemm(isTransposed: true): return element % shape[1]
    case .conv(let groups):
      let inGroup = element / shape.product(2..<shape.rank) % shape[1]
      return output / max(shape[0] / max(groups, 1), 1) * shape[1] + inGroup
    case .convTranspose, .gather: return element / shape.product(1..<shape.rank)
    case .recurrent: return element % shape[2]
    }
  }
}
