#if canImport(Glibc)
  import Glibc
#endif

/// Ranges that clip the largest weights so that the others are rounded less coarsely.
enum Clipping {
  /// Ranges that the search tries: 1.00, 0.99 … 0.21 of the full one.
  static let steps = 80
  /// Errors count with this power, which spares large ones more than a square does.
  static let exponent: Float = 2.4

  /// The fraction of the full range with the least cost, Σ|Q(w) − w|^2.4 or Σ(Q(w) − w)²·E[x²]; 1 where no other has
  /// less.
  ///
  /// Frantar et al., GPTQ (2022), `find_params` of its code.
  /// - Parameter cost: what a fraction of the range costs, with any number from `limit` on where it costs that or
  ///   more; nil when the range is empty.
  static func bestFraction(_ cost: (_ fraction: Float, _ limit: Double) -> Double?) -> Float {
    var best: (fraction: Float, cost: Double) = (1, .infinity)
    for step in 0..<steps {
      let fraction = 1 - Float(step) / 100
      guard let cost = cost(fraction, best.cost) else { break }
      // A cost that is no number never wins.
      if cost < best.cost { best = (fraction, cost) }
    }
    return best.fraction
  }

  /// What an error costs: its square times `importance`, or its power 2.4 where nothing is known of the input.
  @inline(__always) static func cost(_ error: Float, _ importance: Float?) -> Double {
    if let importance { return Double(error) * Double(error) * Double(importance) }
    return Double(powf(abs(error), exponent))
  }

  /// The bound c of a symmetric range −c…c with the least expected error of the layer's output:
  /// E(c) = c²M / (12·q²) + Σ_{|w|>c} (|w| − c)²·m, with M = Σm: the noise of rounding to steps of c/q and what is cut
  /// off. Exact: between two neighbouring |w| it is a parabola, whose least point is known.
  ///
  /// OSCAR (AutoEQ, `_optimal_group_clip`).
  /// - Parameters:
  ///   - importance: E[x²] of each value's input; nil: 1.
  ///   - largestCode: q, the code of c.
  /// - Returns: 0 where every finite value is zero.
  static func optimalBound(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, largestCode: Float
  ) -> Float {
    var points: [(magnitude: Float, mass: Float)] = []
    points.reserveCapacity(values.count)
    for index in values.indices where values[index].isFinite {
      let mass = importance?[index] ?? 1
      points.append((abs(values[index]), mass > 0 && mass.isFinite ? mass : 0))
    }
    points.sort { $0.magnitude > $1.magnitude }
    guard let full = points.first?.magnitude, full > 0 else { return 0 }
    let total = points.reduce(0.0) { $0 + Double($1.mass) }
    if total == 0 { return full }
    let noise = total / (12 * Double(largestCode) * Double(largestCode))
    var best = (bound: Double(full), cost: Double(full) * Double(full) * noise)
    // Sums over the weights above the bound: m, |w|·m and |w|²·m.
    var (masses, firsts, seconds) = (0.0, 0.0, 0.0)
    for (index, point) in points.enumerated() {
      let (magnitude, mass) = (Double(point.magnitude), Double(point.mass))
      masses += mass
      firsts += magnitude * mass
      seconds += magnitude * magnitude * mass
      let below = index + 1 < points.count ? Double(points[index + 1].magnitude) : 0
      let bound = min(max(firsts / (noise + masses), below), magnitude)
      let cost = bound * bound * (noise + masses) - 2 * bound * firsts + seconds
      if bound > 0, cost < best.cost { best = (bound, cost) }
    }
    return Float(best.bound)
  }
}
