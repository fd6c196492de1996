import Tensors

/// Any numbers at all: those with the least Σ (Q(w) − w)²·E[x²], zero among them where a weight is zero.
///
/// Han et al., "Deep Compression" (2016), with exact clusters (`KMeans1D`).
struct CodebookGrid: WeightGrid {
  /// 1…256.
  let clusters: Int

  init(clusters: Int) {
    precondition((1...256).contains(clusters), "codebooks of 1 to 256 numbers")
    self.clusters = clusters
  }

  var storage: ElementType { clusters <= 16 ? .uint4 : .uint8 }

  /// Nothing is clipped: what lies far out gets a number of its own where that pays. Without any finite value the only
  /// level is zero.
  func fit(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, _ clip: Clip,
    minimumScale: Float
  ) -> GridScale {
    let levels = KMeans1D(values, weights: importance, clusters: clusters, keepsZero: true).centers
    return GridScale(scale: 1, levels: levels.isEmpty ? [0] : levels)
  }

  /// The lower of two levels that are equally near.
  func round(_ value: Float, _ scale: GridScale) -> Int32 {
    guard let levels = scale.levels, !levels.isEmpty else { return 0 }
    let value = value.isNaN ? 0 : value
    // The first level that is not below the value; levels ascend.
    var (low, high) = (0, levels.count)
    while low < high {
      let middle = (low + high) / 2
      if levels[middle] < value { low = middle + 1 } else { high = middle }
    }
    if low == 0 { return 0 }
    if low == levels.count { return Int32(levels.count - 1) }
    let isLowerNearer = Double(value) - Double(levels[low - 1]) <= Double(levels[low]) - Double(value)
    return Int32(isLowerNearer ? low - 1 : low)
  }

  func keepsZero(_ scale: GridScale) -> Bool { scale.levels?.contains(0) ?? false }
}
