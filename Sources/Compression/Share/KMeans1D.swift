/// The k numbers that stand for many with the least (weighted) squared error: k-means in one dimension, exact.
///
/// Clusters of sorted numbers are intervals, so dynamic programming over them finds the optimum. The cost satisfies
/// the quadrangle inequality (also with one center fixed at zero), hence the best split moves monotonously and
/// divide and conquer takes O(k · n · log n): Wang and Song, "Ckmeans.1d.dp" (R Journal, 2011); Grønlund et al.,
/// "Fast exact k-means, k-medians and Bregman divergence clustering in 1D" (2017). Above `maximumPoints` distinct
/// numbers, bins take the part of numbers, half of them of equal width and half of equal count, and what they give
/// is moved to a local optimum over the numbers themselves (Lloyd's iteration).
struct KMeans1D: Sendable {
  static let maximumPoints = 4096

  /// Ascending and distinct: fewer than asked for when there are fewer distinct numbers, none when there is none.
  let centers: [Float]
  /// Between each two centers, the largest number that belongs to the lower one.
  private let boundaries: [Double]

  /// - Parameters:
  ///   - values: infinities and NaN are left out.
  ///   - weights: what an error at each value counts for, for example E[x²] of the input that it multiplies; values
  ///     whose weight is not positive and finite are left out, unless all are. nil: 1.
  ///   - keepsZero: when 0 is among the values, it is one of the centers.
  init(
    _ values: UnsafeBufferPointer<Float>, weights: UnsafeBufferPointer<Float>? = nil, clusters: Int,
    keepsZero: Bool = true
  ) {
    let zero: Float? = keepsZero && values.contains(0) ? 0 : nil
    let points = SortedPoints(values, weights, including: zero)
    if clusters <= 0 || points.count == 0 {
      self.init(centers: [])
    } else if points.count <= max(Self.maximumPoints, clusters) {
      self.init(centers: points.centers(IntervalPartition.best(points.sums, clusters)))
    } else {
      let starts = points.binStarts(bins: Self.maximumPoints)
      let cuts = IntervalPartition.best(points.sums.merged(starts), clusters).map { starts[$0] }
      self.init(centers: points.centers(points.settled(cuts)))
    }
  }

  init(_ values: [Float], weights: [Float]? = nil, clusters: Int, keepsZero: Bool = true) {
    self = values.withUnsafeBufferPointer { values in
      guard let weights else { return KMeans1D(values, clusters: clusters, keepsZero: keepsZero) }
      return weights.withUnsafeBufferPointer {
        KMeans1D(values, weights: $0, clusters: clusters, keepsZero: keepsZero)
      }
    }
  }

  private init(centers: [Float]) {
    self.centers = centers
    boundaries = zip(centers, centers.dropFirst()).map { (Double($0) + Double($1)) / 2 }
  }

  /// The index of the center nearest to `value`, the lower one of two; 0 for NaN. There must be a center.
  func index(of value: Float) -> Int {
    let value = Double(value)
    var (low, high) = (0, boundaries.count)
    while low < high {
      let middle = (low + high) / 2
      if value > boundaries[middle] { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Every value replaced by its center.
  func shared(_ values: [Float]) -> [Float] { values.map { centers[index(of: $0)] } }
}
