import Tensors

/// Evenly spaced numbers: scale · (code − zeroPoint).
///
/// Symmetric: scale = max|w| / q with q = 2^(bits−1) − 1, zero point 0. Below 8 bits codes reach down to −q − 1, which a
/// clipped range makes use of; at 8 bits they stop at −q. Asymmetric: scale = (max − min) / (2^bits − 1) and a zero
/// point that makes zero exact (Jacob et al. 2018).
struct IntegerGrid: WeightGrid {
  /// 2…8.
  let bits: Int
  let isSymmetric: Bool
  /// Codes without sign, around a zero point of 2^(bits−1). Asymmetric ones always are.
  let isUnsigned: Bool

  init(bits: Int, isSymmetric: Bool, isUnsigned: Bool = false) {
    precondition((2...8).contains(bits), "integers of 2 to 8 bits")
    self.bits = bits
    self.isSymmetric = isSymmetric
    self.isUnsigned = isUnsigned || !isSymmetric
  }

  /// The narrowest type that holds the codes: 3 bits lie in 4, and 5 to 7 in 8.
  var storage: ElementType {
    switch bits {
    case 2: isUnsigned ? .uint2 : .int2
    case 3, 4: isUnsigned ? .uint4 : .int4
    default: isUnsigned ? .uint8 : .int8
    }
  }

  var codes: ClosedRange<Int32> {
    let half: Int32 = 1 << Int32(bits - 1)
    if !isSymmetric { return 0...2 * half - 1 }
    let lowest = bits == 8 ? 1 - half : -half
    return isUnsigned ? lowest + half...2 * half - 1 : lowest...half - 1
  }

  func fit(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, _ clip: Clip,
    minimumScale: Float
  ) -> GridScale {
    var (low, high): (Float, Float) = (0, 0)
    for value in values where value.isFinite { (low, high) = (min(low, value), max(high, value)) }
    let clip = clip.resolved(bits: bits, knowsInputs: importance != nil)
    if isSymmetric && clip == .oscar {
      let bound = Clipping.optimalBound(values, importance: importance, largestCode: Float(largest))
      return scale(low: -bound, high: bound, minimum: minimumScale) ?? constant(minimumScale)
    }
    guard let full = scale(low: low, high: high, minimum: minimumScale) else { return constant(minimumScale) }
    if clip == .none { return full }
    // OSCAR knows symmetric ranges only; others are searched with its weights.
    let weights = clip == .oscar ? importance : nil
    let fraction = Clipping.bestFraction { fraction, limit in
      scale(low: fraction * low, high: fraction * high, minimum: minimumScale).map {
        cost(values, weights, $0, limit: limit)
      }
    }
    return scale(low: fraction * low, high: fraction * high, minimum: minimumScale) ?? full
  }

  func round(_ value: Float, _ scale: GridScale) -> Int32 {
    let offset = scale.zeroPoint
    return (value / scale.scale).roundedCode(in: codes.lowerBound - offset...codes.upperBound - offset)
      + offset
  }

  func keepsZero(_ scale: GridScale) -> Bool { codes.contains(scale.zeroPoint) }

  /// The sum of what rounding costs; it may stop from `limit` on.
  private func cost(
    _ values: UnsafeBufferPointer<Float>, _ importance: UnsafeBufferPointer<Float>?, _ scale: GridScale,
    limit: Double
  ) -> Double {
    var sum = 0.0
    for index in values.indices {
      let error = value(round(values[index], scale), scale) - values[index]
      sum += Clipping.cost(error, importance?[index])
      if sum >= limit { break }
    }
    return sum
  }

  /// The code of the largest number, counted from the zero point of a symmetric grid.
  private var largest: Int32 { 1 << Int32(bits - 1) - 1 }

  /// The scale of a range that holds zero; nil when it is too small for one.
  private func scale(low: Float, high: Float, minimum: Float) -> GridScale? {
    // In Double: the distance of two floats need not be one.
    let exact =
      isSymmetric
      ? Double(max(-low, high)) / Double(largest)
      : (Double(high) - Double(low)) / Double(codes.upperBound)
    // No code's number may become infinite.
    let scale = min(Float(exact), .greatestFiniteMagnitude / Float(1 << bits))
    if scale < .leastNormalMagnitude { return nil }
    let step = max(scale, minimum)
    if isSymmetric { return GridScale(scale: step, zeroPoint: middle) }
    return GridScale(scale: step, zeroPoint: (-low / step).roundedCode(in: codes))
  }

  private var middle: Int32 { isUnsigned ? 1 << Int32(bits - 1) : 0 }

  /// For values that are all zero.
  private func constant(_ minimum: Float) -> GridScale {
    GridScale(scale: max(1, minimum), zeroPoint: isSymmetric ? middle : 0)
  }
}
