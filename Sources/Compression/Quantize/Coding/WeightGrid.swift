import Tensors

/// The numbers that codes can stand for, in one group of elements that share a scale.
protocol WeightGrid: Sendable {
  /// The type that holds the codes: int8, uint8, int4, uint4, int2 or uint2.
  var storage: ElementType { get }

  /// What codes of a group are to mean.
  ///
  /// Values that are not finite do not count.
  /// - Parameters:
  ///   - importance: E[x²] of the input that each value is multiplied with; nil where nothing is known.
  ///   - minimumScale: a lower bound for the scale, for biases that must fit in int32; 0 asks for nothing. Grids
  ///     without a scale ignore it.
  func fit(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, _ clip: Clip,
    minimumScale: Float
  ) -> GridScale

  /// The code of the number nearest to `value`. Infinities give the ends of the grid, NaN what zero gives.
  func round(_ value: Float, _ scale: GridScale) -> Int32

  /// The number that `code` stands for.
  func value(_ code: Int32, _ scale: GridScale) -> Float

  /// True if a weight of zero stays exactly zero, so that masks of pruned weights survive.
  func keepsZero(_ scale: GridScale) -> Bool
}

/// What the codes of one group mean: scale · (code − zeroPoint), or an entry of `levels`.
struct GridScale: Sendable, Equatable {
  /// More than zero; 1 where `levels` says it all.
  var scale: Float
  var zeroPoint: Int32 = 0
  /// The numbers of a codebook in ascending order, by code.
  var levels: [Float]?

  /// The number that `code` stands for; for a code beyond `levels` the nearest of them.
  func value(_ code: Int32) -> Float {
    guard let levels, !levels.isEmpty else { return Float(code - zeroPoint) * scale }
    return levels[min(max(Int(code), 0), levels.count - 1)]
  }
}

extension WeightGrid {
  func value(_ code: Int32, _ scale: GridScale) -> Float { scale.value(code) }
}

extension Float {
  /// The integer nearest to self, ties to even, within `range`; 0, moved into the range, for NaN.
  func roundedCode(in range: ClosedRange<Int32>) -> Int32 {
    if isNaN { return Swift.min(Swift.max(0, range.lowerBound), range.upperBound) }
    let rounded = rounded(.toNearestOrEven)
    // Compared as floats, as a conversion of what is out of the integers' range traps.
    if rounded <= Float(range.lowerBound) { return range.lowerBound }
    return rounded >= Float(range.upperBound) ? range.upperBound : Int32(rounded)
  }
}
