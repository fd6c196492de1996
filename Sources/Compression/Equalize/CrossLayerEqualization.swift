import GraphIR
import Tensors

/// Balances the weights of pairs of layers: with r₁ the largest |w| of an output channel of the first and r₂ that of
/// the same input channel of the second, the first is divided and the second multiplied by √(r₁ / r₂).
///
/// Nagel et al., "Data-free quantization through weight equalization and bias correction" (2019), equation 11.
/// Depthwise triples are two pairs that share a layer, and converge as pairs do.
enum CrossLayerEqualization {
  private static let sweeps = 20
  private static let tolerance: Float = 1e-3

  /// What to divide and multiply: weights by layer and biases by pair, all in the layers' own layouts.
  struct Balanced {
    var weights: [[Float]]
    var biases: [[Float]?]
    var isChanged: [Bool]
  }

  static func balance(_ pairs: [EqualizedPair], _ layers: [WeightLayer], biases: [[Float]?]) -> Balanced {
    var result = Balanced(
      weights: layers.map { $0.weights.array(of: Float.self) }, biases: biases,
      isChanged: [Bool](repeating: false, count: layers.count))
    for _ in 0..<sweeps {
      var largestChange: Float = 0
      for (position, pair) in pairs.enumerated() {
        let factors = factors(pair, layers, result.weights)
        largestChange = factors.reduce(largestChange) { max($0, abs($1 - 1)) }
        scale(pair, factors, layers, &result, bias: position)
      }
      if largestChange < tolerance { break }
    }
    return result
  }

  private static func factors(
    _ pair: EqualizedPair, _ layers: [WeightLayer], _ weights: [[Float]]
  ) -> [Float] {
    let (first, second) = (layers[pair.first], layers[pair.second])
    var outputs = [Float](repeating: 0, count: pair.channels)
    var inputs = outputs
    let walk = ChannelWalk(first.shape, axis: first.outputAxis)
    for (index, weight) in weights[pair.first].enumerated() {
      let channel = walk.channel(of: index)
      outputs[channel] = max(outputs[channel], abs(weight))
    }
    let spread = max((second.inputChannelCount ?? pair.channels) / pair.channels, 1)
    for (index, weight) in weights[pair.second].enumerated() {
      let channel = second.inputChannel(ofElement: index) / spread
      inputs[channel] = max(inputs[channel], abs(weight))
    }
    return zip(outputs, inputs).map { output, input in
      let factor = (output / input).squareRoot()
      // A channel that is pruned on one side has nothing to balance.
      return output > 0 && input > 0 && factor.isNormal ? factor : 1
    }
  }

  private static func scale(
    _ pair: EqualizedPair, _ factors: [Float], _ layers: [WeightLayer], _ result: inout Balanced, bias: Int
  ) {
    let (first, second) = (layers[pair.first], layers[pair.second])
    let walk = ChannelWalk(first.shape, axis: first.outputAxis)
    for index in result.weights[pair.first].indices {
      result.weights[pair.first][index] /= factors[walk.channel(of: index)]
    }
    let spread = max((second.inputChannelCount ?? pair.channels) / pair.channels, 1)
    for index in result.weights[pair.second].indices {
      result.weights[pair.second][index] *= factors[second.inputChannel(ofElement: index) / spread]
    }
    if var values = result.biases[bias] {
      for channel in values.indices { values[channel] /= factors[channel] }
      result.biases[bias] = values
    }
    if factors.contains(where: { $0 != 1 }) {
      result.isChanged[pair.first] = true
      result.isChanged[pair.second] = true
    }
  }
}
