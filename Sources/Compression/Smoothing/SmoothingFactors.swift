#if canImport(Glibc)
  import Glibc
#endif
import Tensors

/// Factors that inputs are divided by and weights multiplied with, one for each channel.
enum SmoothingFactors {
  /// What may lie between 1 and a factor.
  private static let limit = 1e4

  /// s = max|x|^α / max|w|^(1 − α) (Xiao et al., SmoothQuant 2022, equation 4), or s = (mean|x|)^α where weights alone
  /// are quantized (Lin et al., AWQ 2023, equation 4), brought to √(max s · min s) = 1.
  ///
  /// A channel that is always zero, or has no weight, keeps 1.
  /// - Parameters:
  ///   - layers: all that read the input.
  ///   - exponent: α, 0…1.
  static func factors(
    _ sample: SmoothingSample, _ layers: [WeightLayer], exponent: Double, weightsOnly: Bool
  ) -> [Float] {
    let inputs = weightsOnly ? sample.meanMagnitude : sample.largest.map { Double($0) }
    let weights = largestWeights(layers, channels: inputs.count)
    var factors = zip(inputs, weights).map { input, weight -> Double? in
      guard input > 0, weight > 0 else { return nil }
      let factor = weightsOnly ? pow(input, exponent) : pow(input, exponent) / pow(weight, 1 - exponent)
      return factor.isNormal ? factor : nil
    }
    let known = factors.compactMap { $0 }
    guard let least = known.min(), let most = known.max() else { return factors.map { _ in 1 } }
    let middle = (least * most).squareRoot()
    guard middle.isNormal else { return factors.map { _ in 1 } }
    for index in factors.indices {
      factors[index] = factors[index].map { min(max($0 / middle, 1 / limit), limit) }
    }
    return factors.map { Float($0 ?? 1) }
  }

  /// The largest |w| that multiplies each channel, over all layers.
  private static func largestWeights(_ layers: [WeightLayer], channels: Int) -> [Double] {
    var largest = [Double](repeating: 0, count: channels)
    for layer in layers {
      layer.weights.withElements(Float.self) { elements in
        for index in elements.indices {
          let channel = layer.inputChannel(ofElement: index)
          largest[channel] = max(largest[channel], Double(abs(elements[index])))
        }
      }
    }
    return largest
  }
}

extension WeightLayer {
  /// The layer with the weights of each input channel times its factor.
  func multiplied(by factors: [Float]) -> WeightLayer {
    var result = self
    result.weights.withMutableElements(Float.self) { elements in
      for index in elements.indices { elements[index] *= factors[inputChannel(ofElement: index)] }
    }
    return result
  }

  /// The layer with the weights of each output channel divided by its factor.
  func divided(by factors: [Float]) -> WeightLayer {
    var result = self
    let walk = ChannelWalk(shape, axis: outputAxis)
    result.weights.withMutableElements(Float.self) { elements in
      for index in elements.indices { elements[index] /= factors[walk.channel(of: index)] }
    }
    return result
  }
}
