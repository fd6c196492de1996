import Glibc

/// Statistics of counts, for telling a real change from chance.
public enum PairedStatistics {
  /// The Wilson score interval of a fraction at 95 % (Wilson 1927).
  /// - Returns: nil for no samples.
  public static func wilsonInterval(successes: Int, of count: Int) -> (low: Double, high: Double)? {
    if count <= 0 { return nil }
    let z = 1.959963984540054
    let n = Double(count)
    let p = Double(successes) / n
    let center = p + z * z / (2 * n)
    let spread = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    let scale = 1 + z * z / n
    return (max(0, (center - spread) / scale), min(1, (center + spread) / scale))
  }

  /// The exact two-sided McNemar test: the probability that two equally good models differ by so many samples or
  /// more. `improved` and `worsened` count the samples that only one of them got right.
  public static func mcnemar(improved: Int, worsened: Int) -> Double {
    let n = improved + worsened
    if n == 0 { return 1 }
    // Twice the smaller tail of the binomial distribution with p = 1/2, summed through logarithms.
    var logarithm = -Double(n) * log(2.0)
    var tail = 0.0
    for k in 0...min(improved, worsened) {
      tail += exp(logarithm)
      logarithm += log(Double(n - k)) - log(Double(k + 1))
    }
    return min(1, 2 * tail)
  }
}
