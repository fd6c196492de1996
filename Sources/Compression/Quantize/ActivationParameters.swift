/// Scale and zero point of an activation in uint8: x ≈ scale · (q − zeroPoint).
struct ActivationParameters: Equatable {
  var scale: Float
  var zeroPoint: UInt8

  /// Asymmetric over `range` widened to hold zero, which must be exact for padding and for pruned inputs
  /// (Jacob et al. 2018, equation 1; onnxruntime's `compute_scale_zp`).
  init(_ range: ValueRange) {
    // A range of more than the largest float would give an infinite scale.
    let low = Double(max(min(range.low, 0), -.greatestFiniteMagnitude / 2))
    let high = Double(min(max(range.high, 0), .greatestFiniteMagnitude / 2))
    let scale = (high - low) / 255
    if scale < Double(Float.leastNormalMagnitude) {
      self.scale = 1
      zeroPoint = 0
      return
    }
    self.scale = Float(scale)
    zeroPoint = UInt8(min(max((-low / scale).rounded(.toNearestOrEven), 0), 255))
  }
}
