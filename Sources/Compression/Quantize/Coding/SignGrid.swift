import Tensors

/// Codes −1 and 1, or −1, 0 and 1, times a scale.
///
/// Binary: α = mean|w| (Rastegari et al., XNOR-Net 2016). Ternary: α = mean of the |w| above Δ = 0.7 · mean|w| (Li et al.,
/// Ternary Weight Networks 2016); rounding goes to the nearest of −α, 0 and α, which never errs more than Δ does.
struct SignGrid: WeightGrid {
  let isTernary: Bool

  private static let threshold = 0.7

  var storage: ElementType { .int2 }

  /// The scale does not depend on `importance` and `clip`.
  func fit(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, _ clip: Clip,
    minimumScale: Float
  ) -> GridScale {
    var mean = Self.mean(values, above: -1)
    if isTernary { mean = Self.mean(values, above: Self.threshold * mean) }
    let scale = Float(mean)
    if scale < .leastNormalMagnitude {
      // A group of zeros: ternary codes are zero whatever the scale, binary ones need the smallest.
      return GridScale(scale: max(isTernary ? 1 : .leastNormalMagnitude, minimumScale))
    }
    return GridScale(scale: max(scale, minimumScale))
  }

  func round(_ value: Float, _ scale: GridScale) -> Int32 {
    if isTernary { return (value / scale.scale).roundedCode(in: -1...1) }
    return value < 0 ? -1 : 1
  }

  func keepsZero(_ scale: GridScale) -> Bool { isTernary }

  /// The mean magnitude of the finite values above `bound`; 0 when there are none.
  private static func mean(_ values: UnsafeBufferPointer<Float>, above bound: Double) -> Double {
    var (sum, count) = (0.0, 0)
    for value in values where value.isFinite && Double(abs(value)) > bound {
      sum += Double(abs(value))
      count += 1
    }
    return count == 0 ? 0 : sum / Double(count)
  }
}
