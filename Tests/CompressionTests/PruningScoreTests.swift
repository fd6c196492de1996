import Testing

@testable import Compression

@Suite struct PruningScoreTests {
  @Test func scoresByHand() {
    #expect(PruningScores.magnitude([-2, 0, 1]) == [2, 0, 1])
    #expect(PruningScores.wanda([-2, 1, 3, -4], columns: 2, meanSquare: [4, 0.25]) == [4, 2, 1.5, 2])
    // √E[x²] of the first input is 1 and 3: mean 2, spread 1; the second is always 2.
    let folds: [[Double]] = [[1, 4], [9, 4]]
    #expect(PruningScores.stability([1, -1], columns: 1, folds: folds) == [3, 2])
    #expect(PruningScores.stability([1, -1], columns: 1, folds: folds, kappa: 0) == [2, 2])
    #expect(PruningScores.stability([], columns: 3, folds: [[]]) == [])
    let scores = [3.0, -4, 1, 0].withUnsafeBufferPointer {
      PruningScores.surgeon($0, columns: 2, pivots: [9, 2, 0.5][1...])
    }
    #expect(scores == [2.25, 4, 4, 0])
  }

  @Test(arguments: [0, 0.2, 0.5, 0.9, 1]) func oneRankingLosesExactlyItsShare(sparsity: Double) {
    let layers = [(300, 1.0), (7, 0.01), (0, 1), (1000, 30)].enumerated().map { number, layer in
      TestModels.numbers(layer.0, seed: UInt64(number)).map { abs($0) * Float(layer.1) }
    }
    let shares = SparsityAllocation.global(layers, sparsity: sparsity)
    let lost = zip(shares, layers).reduce(0.0) { $0 + $1.0 * Double($1.1.count) }
    #expect(Int(lost.rounded()) == Int((sparsity * 1307).rounded()))
    // Layers that differ in scale only lose about the same.
    #expect(abs(shares[0] - shares[3]) < 0.1)
    #expect(shares[2] == 0)
  }

  @Test func layersOfManySmallWeightsLoseMore() {
    let flat = [Float](repeating: 1, count: 100)
    let peaked = (0..<100).map { Float($0 < 90 ? 0.01 : 5) }
    let shares = SparsityAllocation.global([flat, peaked], sparsity: 0.4)
    #expect(shares == [0, 0.8])
  }

  /// Densities 0.5 · (in + out) / (in · out), scaled to the total; the small layer would be denser than dense.
  @Test func smallLayersStayDenser() {
    let shapes = [[64, 256], [256, 128], [4, 4]]
    for sparsity in [0, 0.5, 0.8, 0.95, 1] {
      let shares = SparsityAllocation.erk(shapes, sparsity: sparsity)
      let sizes = [16384.0, 32768, 16]
      let lost = zip(shares, sizes).reduce(0.0) { $0 + $1.0 * $1.1 }
      #expect(abs(lost - sparsity * sizes.reduce(0, +)) < 1e-6 * 49168)
      #expect(shares.allSatisfy { (-1e-12...1).contains($0) })
    }
    let shares = SparsityAllocation.erk(shapes, sparsity: 0.5)
    #expect(shares[2] == 0 && shares[0] < shares[1])
    #expect(abs((1 - shares[0]) / (1 - shares[1]) - (320.0 / 16384) / (384.0 / 32768)) < 1e-9)
    #expect(SparsityAllocation.erk([], sparsity: 0.5) == [])
    #expect(SparsityAllocation.erk([[0, 3]], sparsity: 0.5) == [0])
  }
}
