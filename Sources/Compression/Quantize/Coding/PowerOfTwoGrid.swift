import Tensors

/// Fixed point in 8 bits: code · 2^−f, so that a shift replaces the product with the scale.
///
/// f = floor(7 − log2 max|w|), the most bits behind the point whose range covers every weight (but for max|w| itself when
/// that is a power of two, which becomes 127 · 2^−f).
struct PowerOfTwoGrid: WeightGrid {
  static let bits = 8
  private static let codes: ClosedRange<Int32> = -128...127
  /// Bits behind the point with which all numbers are finite and the scale is not subnormal.
  private static let fractionBits = -120...126
  /// How many more bits behind the point the search for the least error tries.
  private static let searched = 3

  var storage: ElementType { .int8 }

  func fit(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, _ clip: Clip,
    minimumScale: Float
  ) -> GridScale {
    var largest: Float = 0
    for value in values where value.isFinite { largest = max(largest, abs(value)) }
    if largest == 0 { return GridScale(scale: max(1, Self.powerAtLeast(minimumScale))) }
    let most = Self.bits - 1 - Self.exponentAbove(largest)
    let clip = clip.resolved(bits: Self.bits, knowsInputs: importance != nil)
    var best: (scale: Float, error: Double) = (Self.scale(most), .infinity)
    if clip != .none {
      for fractionBits in most..<most + Self.searched {
        let scale = GridScale(scale: Self.scale(fractionBits))
        let weights = clip == .oscar ? importance : nil
        var error = 0.0
        for index in values.indices where values[index].isFinite {
          let difference = Double(value(round(values[index], scale), scale) - values[index])
          error += difference * difference * Double(weights?[index] ?? 1)
        }
        if error < best.error { best = (scale.scale, error) }
      }
    }
    return GridScale(scale: max(best.scale, Self.powerAtLeast(minimumScale)))
  }

  func round(_ value: Float, _ scale: GridScale) -> Int32 {
    (value / scale.scale).roundedCode(in: Self.codes)
  }

  func keepsZero(_ scale: GridScale) -> Bool { true }

  /// 2^−fractionBits, as near as float32 comes.
  private static func scale(_ fractionBits: Int) -> Float {
    let bits = min(max(fractionBits, Self.fractionBits.lowerBound), Self.fractionBits.upperBound)
    return Float(sign: .plus, exponent: -bits, significand: 1)
  }

  /// ceil(log2 value), exact.
  private static func exponentAbove(_ value: Float) -> Int {
    Int(value.exponent) + (value.significand == 1 ? 0 : 1)
  }

  private static func powerAtLeast(_ minimum: Float) -> Float {
    minimum > 0 && minimum.isFinite ? scale(-exponentAbove(minimum)) : 0
  }
}
