import Glibc

/// Searches the threshold on |x| whose quantized distribution has the least Kullback-Leibler divergence from the
/// original one: Migacz, "8-bit inference with TensorRT" (2017).
enum EntropyCalibrator {
  private static let smoothing = 1e-4

  static func range(_ histogram: Histogram, _ observed: ValueRange) -> ValueRange {
    let half = Histogram.bins / 2
    // Magnitudes: bin i of both sides together. Zero sits in the first bin above the middle.
    var magnitudes = (0..<half).map { Double(histogram.counts[half + $0] + histogram.counts[half - 1 - $0]) }
    // Zeros are exact in any range; behind a Relu they would outweigh all that the range is chosen for.
    magnitudes[0] = magnitudes[1]
    let levels = observed.low >= 0 ? 256 : 128
    guard let last = magnitudes.lastIndex(where: { $0 > 0 }) else { return observed }
    var least = Double.infinity
    var chosen = last + 1
    // The tail beyond each candidate, from suffix sums.
    var tails = [Double](repeating: 0, count: half + 1)
    for bin in (0..<half).reversed() { tails[bin] = tails[bin + 1] + magnitudes[bin] }
    let first = min(levels, last + 1)
    for count in stride(from: first, through: last + 1, by: max(1, (last + 1 - first) / 512)) {
      let divergence = self.divergence(magnitudes[..<count], tail: tails[count], levels)
      if divergence < least { (least, chosen) = (divergence, count) }
    }
    let threshold = Float(Double(chosen) * histogram.binWidth)
    return ValueRange(low: max(observed.low, -threshold), high: min(observed.high, threshold))
  }

  /// KL(P‖Q): P holds the bins with the tail added to the last one, Q the bins merged into `levels` and spread
  /// again over those that are not empty.
  private static func divergence(_ bins: ArraySlice<Double>, tail: Double, _ levels: Int) -> Double {
    var reference = Array(bins)
    reference[reference.count - 1] += tail
    var quantized = [Double](repeating: 0, count: bins.count)
    for level in 0..<levels {
      let group = level * bins.count / levels..<(level + 1) * bins.count / levels
      let filled = group.filter { bins[$0] > 0 }
      if filled.isEmpty { continue }
      let share = group.reduce(0.0) { $0 + bins[$1] } / Double(filled.count)
      for bin in filled { quantized[bin] = share }
    }
    let (referenceSum, quantizedSum) = (reference.reduce(0, +), quantized.reduce(0, +))
    if referenceSum == 0 || quantizedSum == 0 { return .infinity }
    var divergence = 0.0
    for (p, q) in zip(reference, quantized) where p > 0 {
      let (p, q) = (p / referenceSum, max(q / quantizedSum, smoothing / Double(bins.count)))
      divergence += p * log(p / q)
    }
    return divergence
  }
}
