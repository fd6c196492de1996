import Tensors

/// One layer and the step that takes it.
struct QuantizeAssignment {
  var layer: WeightLayer
  var key: LayerKey
  var step: QuantizeStep
  /// Where the step stands in the recipe, for messages.
  var path: String
  /// The weight's codes, where they were chosen with regard to the inputs.
  var coded: CodedWeight?

  /// The layer's weight times `factor` in 8 bits, with one scale or one for each channel.
  ///
  /// Codes that were chosen already are kept where their scales are large enough.
  /// - Parameter minimumScales: lower bounds for the scales, one for each channel.
  func codedWeight(
    factor: Float = 1, minimumScales: [Float]? = nil
  ) throws(CompressionError) -> CodedWeight {
    if let coded, factor > 0, step.weights != .fixed8 || factor.significand == 1 {
      var scaled = coded
      for index in scaled.scales.indices { scaled.scales[index].scale *= factor }
      if scaled.hasScales(atLeast: minimumScales ?? []) { return scaled }
    }
    var nearest = step
    nearest.method = .round
    nearest.clip = .none
    var layer = layer
    layer.weights = layer.weights.scaled(by: factor)
    return try WeightCoder(nearest).code(layer, minimumScales: minimumScales)
  }
}

extension CodedWeight {
  fileprivate func hasScales(atLeast bounds: [Float]) -> Bool {
    let isLarge = bounds.indices.allSatisfy { scales[scales.count == 1 ? 0 : $0].scale >= bounds[$0] }
    return isLarge && scales.allSatisfy(\.scale.isNormal)
  }
}

extension Tensor {
  /// A float32 tensor times `factor`.
  func scaled(by factor: Float) -> Tensor {
    if factor == 1 { return self }
    var result = self
    result.withMutableElements(Float.self) { elements in
      for index in elements.indices { elements[index] *= factor }
    }
    return result
  }
}
