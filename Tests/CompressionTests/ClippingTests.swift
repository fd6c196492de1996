import Tensors
import Testing

@testable import Compression

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct ClippingTests {
  /// Numbers of which few are large, as weights are.
  private func weights(_ count: Int, seed: UInt64) -> [Float] {
    TestModels.numbers(count, seed: seed).map { $0 * $0 * $0 * $0 * $0 }
  }

  /// GPTQ's `find_params` written out for one channel.
  private func leastError(
    _ values: [Float], _ quantize: (Float, Float) -> Float, _ importance: [Float]?
  ) -> Float {
    var best: (fraction: Float, error: Double) = (1, .infinity)
    for step in 0..<80 {
      let fraction = 1 - Float(step) / 100
      var error = 0.0
      for (index, value) in values.enumerated() {
        let difference = quantize(value, fraction) - value
        if let importance {
          error += Double(difference) * Double(difference) * Double(importance[index])
        } else {
          error += Double(powf(abs(difference), 2.4))
        }
      }
      if error < best.error { best = (fraction, error) }
    }
    return best.fraction
  }

  @Test(arguments: [2, 3, 4, 8], [1, 2, 31, 256]) func meanSquareSearchesAsGPTQDoes(bits: Int, count: Int) {
    let values = weights(count, seed: UInt64(bits * 1000 + count))
    let largest = values.map { abs($0) }.max()!
    let top = Float(1 << (bits - 1) - 1)
    let lowest = bits == 8 ? -top : -top - 1
    let fraction = leastError(
      values,
      { value, fraction in
        let scale = fraction * largest / top
        return min(max((value / scale).rounded(.toNearestOrEven), lowest), top) * scale
      }, nil)
    let scale = IntegerGrid(bits: bits, isSymmetric: true).fit(values, .mse)
    #expect(scale.scale == fraction * largest / top)
    #expect(scale.zeroPoint == 0)
  }

  @Test(arguments: [Clip.mse, .oscar]) func asymmetricRangesAreSearched(clip: Clip) {
    let values = weights(200, seed: 77).map { $0 + 0.1 }
    let importance = TestModels.numbers(200, seed: 78).map { abs($0) }
    let (low, high) = (values.min()!, values.max()!)
    func range(_ fraction: Float) -> (scale: Float, zeroPoint: Float) {
      let scale = Float((Double(fraction * high) - Double(fraction * low)) / 7)
      return (scale, (-fraction * low / scale).rounded(.toNearestOrEven))
    }
    let fraction = leastError(
      values,
      { value, fraction in
        let (scale, zeroPoint) = range(fraction)
        return (min(max((value / scale).rounded(.toNearestOrEven) + zeroPoint, 0), 7) - zeroPoint) * scale
      }, clip == .oscar ? importance : nil)
    let scale = IntegerGrid(bits: 3, isSymmetric: false).fit(values, importance: importance, clip)
    #expect(fraction < 1)
    #expect(scale.scale == range(fraction).scale)
    #expect(Float(scale.zeroPoint) == range(fraction).zeroPoint)
  }

  /// The expected error written out for one bound.
  private func expectedError(_ bound: Double, _ values: [Float], _ masses: [Float], _ largest: Double)
    -> Double
  {
    let total = masses.reduce(0.0) { $0 + Double($1) }
    var sum = bound * bound * total / (12 * largest * largest)
    for (value, mass) in zip(values, masses) where Double(abs(value)) > bound {
      let cut = Double(abs(value)) - bound
      sum += cut * cut * Double(mass)
    }
    return sum
  }

  @Test(arguments: [1, 3, 7, 127] as [Float], [1, 2, 3, 64, 500])
  func theOptimalBoundIsTheLeastOfAll(largest: Float, count: Int) {
    for seed in 0..<5 as Range<UInt64> {
      let values = weights(count, seed: seed + 100)
      let masses = TestModels.numbers(count, seed: seed + 200).map { $0 > 0.5 ? 0 : abs($0) }
      let bound = values.withUnsafeBufferPointer { values in
        masses.withUnsafeBufferPointer {
          Clipping.optimalBound(values, importance: $0, largestCode: largest)
        }
      }
      let full = Double(values.map { abs($0) }.max()!)
      #expect(bound > 0 && Double(bound) <= full)
      let reached = expectedError(Double(bound), values, masses, Double(largest))
      let scanned = (1...2000).map { step in
        expectedError(full * Double(step) / 2000, values, masses, Double(largest))
      }
      #expect(reached <= scanned.min()! * (1 + 1e-5) + 1e-30)
    }
  }

  @Test func boundsOfSpecialValues() {
    func bound(_ values: [Float], _ importance: [Float]?) -> Float {
      values.withUnsafeBufferPointer { values in
        guard let importance else {
          return Clipping.optimalBound(values, importance: nil, largestCode: 7)
        }
        return importance.withUnsafeBufferPointer {
          Clipping.optimalBound(values, importance: $0, largestCode: 7)
        }
      }
    }
    #expect(bound([], nil) == 0)
    #expect(bound([0, 0], nil) == 0)
    #expect(bound([.nan, .infinity, -2], nil) == bound([-2], nil))
    // Inputs that are always zero tell nothing.
    #expect(bound([1, -2], [0, 0]) == 2)
    #expect(bound([1, -2], [.nan, -1]) == 2)
    // Without weights every input counts the same.
    let values = weights(50, seed: 5)
    #expect(bound(values, nil) == bound(values, [Float](repeating: 1, count: 50)))
    // A weight that meets no signal is cut off.
    #expect(bound([1, 1, 100], [1, 1, 0]) <= 1)
  }

  @Test func autoChoosesByBitsAndData() {
    #expect(Clip.auto.resolved(bits: 8, knowsInputs: true) == .none)
    #expect(Clip.auto.resolved(bits: 4, knowsInputs: true) == .oscar)
    #expect(Clip.auto.resolved(bits: 4, knowsInputs: false) == .mse)
    for clip in [Clip.none, .mse, .oscar] {
      #expect(clip.resolved(bits: 8, knowsInputs: false) == clip)
    }
    let values = weights(300, seed: 3)
    let importance = TestModels.numbers(300, seed: 4).map { abs($0) }
    let (wide, narrow) = (IntegerGrid(bits: 8, isSymmetric: true), IntegerGrid(bits: 4, isSymmetric: true))
    #expect(wide.fit(values, importance: importance, .auto) == wide.fit(values, .none))
    #expect(narrow.fit(values, .auto) == narrow.fit(values, .mse))
    #expect(
      narrow.fit(values, importance: importance, .auto) == narrow.fit(values, importance: importance, .oscar))
    #expect(narrow.fit(values, .auto).scale < narrow.fit(values, .none).scale)
  }

  /// What OSCAR is for: a smaller error of the output than without clipping, where inputs differ in strength.
  @Test(arguments: [2, 3, 4]) func clippingByInputsLessensTheOutputsError(bits: Int) {
    let grid = IntegerGrid(bits: bits, isSymmetric: true)
    var (plain, clipped) = (0.0, 0.0)
    for seed in 0..<10 as Range<UInt64> {
      let values = weights(256, seed: seed + 300)
      let importance = weights(256, seed: seed + 400).map { abs($0) }
      for (clip, isClipped) in [(Clip.none, false), (.oscar, true)] {
        let scale = grid.fit(values, importance: importance, clip)
        var error = 0.0
        for (index, restored) in grid.restored(values, scale).enumerated() {
          let difference = Double(restored - values[index])
          error += difference * difference * Double(importance[index])
        }
        if isClipped { clipped += error } else { plain += error }
      }
    }
    #expect(clipped < plain)
  }
}
