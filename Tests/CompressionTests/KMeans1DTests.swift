import Testing

@testable import Compression

@Suite struct KMeans1DTests {
  private func cost(_ values: [Float], _ weights: [Float]?, _ centers: KMeans1D) -> Double {
    values.indices.reduce(0) { sum, index in
      let distance = Double(values[index]) - Double(centers.centers[centers.index(of: values[index])])
      return sum + distance * distance * Double(weights?[index] ?? 1)
    }
  }

  /// The least cost over all divisions of the sorted values into intervals, one center fixed at zero when it occurs.
  private func least(_ values: [Float], _ weights: [Float]?, _ clusters: Int) -> Double {
    let points = values.indices.map { (Double(values[$0]), Double(weights?[$0] ?? 1)) }.sorted { $0.0 < $1.0 }
    func cost(_ part: ArraySlice<(Double, Double)>) -> Double {
      let weight = part.reduce(0) { $0 + $1.1 }
      let mean = part.contains { $0.0 == 0 } ? 0 : part.reduce(0) { $0 + $1.0 * $1.1 } / weight
      return part.reduce(0) { $0 + $1.1 * ($1.0 - mean) * ($1.0 - mean) }
    }
    func search(_ start: Int, _ clusters: Int) -> Double {
      if start == points.count { return 0 }
      var best = cost(points[start...])
      if clusters == 1 { return best }
      for end in start + 1..<points.count {
        best = min(best, cost(points[start..<end]) + search(end, clusters - 1))
      }
      return best
    }
    return search(0, clusters)
  }

  @Test(arguments: 1...10, 1...5)
  func noOtherDivisionIsBetter(count: Int, clusters: Int) {
    for kind in 0..<8 {
      var values = TestModels.numbers(count, seed: UInt64(10 * kind + clusters)).map {
        $0 + (kind & 1 == 1 ? 100 : 0)
      }
      if kind & 2 == 2 { values[count / 2] = 0 }
      let weights = kind & 4 == 4 ? TestModels.numbers(count, seed: 77).map { abs($0) + 0.01 } : nil
      let found = KMeans1D(values, weights: weights, clusters: clusters)
      #expect(found.centers.count == min(clusters, Set(values).count))
      #expect(cost(values, weights, found) <= least(values, weights, clusters) * (1 + 1e-5) + 1e-8)
      #expect(!values.contains(0) || found.centers.contains(0))
      #expect(zip(found.centers, found.centers.dropFirst()).allSatisfy { $0 < $1 })
    }
  }

  /// Above `maximumPoints` distinct values: not worse than even steps refined as Deep Compression does, and within the
  /// binning's error of the optimum for a uniform distribution, width² / 12 k².
  @Test(arguments: [2, 16, 256])
  func manyValues(clusters: Int) {
    let values = TestModels.numbers(50_000, seed: 9)
    let found = KMeans1D(values, clusters: clusters)
    let mean = cost(values, nil, found) / Double(values.count)
    let ideal = 4 / 12 / Double(clusters * clusters)
    #expect(found.centers.count == clusters)
    #expect(mean < 1.03 * ideal)
  }

  @Test func outliersDoNotCostTheRestItsCenters() {
    var values = TestModels.numbers(20_000, seed: 9)
    values[7] = 10_000
    let found = KMeans1D(values, clusters: 17)
    #expect(found.centers.last == 10_000)
    #expect(cost(values, nil, found) / 20_000 < 1.05 * 4 / 12 / 256)
  }

  @Test func prunedWeightsStayZero() {
    let values = TestModels.numbers(30_000, seed: 2).map { abs($0) < 0.6 ? 0 : $0 }
    let shared = KMeans1D(values, clusters: 4).shared(values)
    #expect(zip(values, shared).allSatisfy { $0 != 0 || $1 == 0 })
    #expect(Set(shared).count == 4)
  }

  @Test func weightsSayWhatMatters() {
    let values: [Float] = [1, 2, 3, 10]
    #expect(KMeans1D(values, weights: [1, 0, 3, 0], clusters: 1).centers == [2.5])
    #expect(KMeans1D(values, weights: [0, 0, 0, 0], clusters: 1).centers == [4])
    #expect(KMeans1D(values, weights: [.nan, 1, 1, .infinity], clusters: 1).centers == [2.5])
    // Zero is a center also when it counts for nothing.
    #expect(KMeans1D([0, 5, 7], weights: [0, 1, 1], clusters: 2).centers == [0, 6])
  }

  @Test func hostileSizes() {
    #expect(KMeans1D([], clusters: 3).centers == [])
    #expect(KMeans1D([1, 2], clusters: 0).centers == [])
    #expect(KMeans1D([.nan, .infinity], clusters: 2).centers == [])
    #expect(KMeans1D([.nan, 4, -.infinity], clusters: 2).centers == [4])
    #expect(KMeans1D([-0.0, 0, 2], clusters: 5).centers == [0, 2])
    #expect(KMeans1D([3, 3, 3], clusters: 2).centers == [3])
    #expect(KMeans1D([2], clusters: 1).index(of: .nan) == 0)
  }

  @Test func valuesBelongToTheNearestCenter() {
    let found = KMeans1D([0, 1, 4], clusters: 3)
    #expect([-5, 0.5, 0.6, 2.5, 2.6, 100].map { found.index(of: $0) } == [0, 0, 1, 1, 2, 2])
  }
}
