import Testing

@testable import Compression

@Suite struct FactorizationTests {
  private func product(_ a: [Float], _ b: [Float], _ rows: Int, _ inner: Int, _ columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: rows * columns)
    for i in 0..<rows {
      for j in 0..<columns {
        var sum = 0.0
        for k in 0..<inner { sum += Double(a[i * inner + k]) * Double(b[k * columns + j]) }
        result[i * columns + j] = Float(sum)
      }
    }
    return result
  }

  private func difference(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 - $1 } }

  private func squares(_ numbers: [Float]) -> Double { numbers.reduce(0) { $0 + Double($1) * Double($1) } }

  private static let shapes = [(1, 1), (1, 5), (5, 1), (7, 7), (12, 5), (5, 12)]

  /// The squared error of every rank is the sum of the squared singular values left out.
  @Test(arguments: shapes)
  func everyRankErrsByWhatItLeavesOut(depth: Int, columns: Int) throws {
    let weight = TestModels.numbers(depth * columns, seed: 3)
    let factorization = try Factorization(weight, depth: depth, columns: columns)
    #expect(abs(factorization.energies.reduce(0, +) - squares(weight)) < 1e-5 * squares(weight))
    for rank in 0...factorization.largestRank {
      let (a, b) = factorization.factors(rank: rank)
      let error = squares(difference(weight, product(a, b, depth, rank, columns)))
      #expect(abs(error - factorization.energies.dropFirst(rank).reduce(0, +)) < 1e-5 * squares(weight))
    }
  }

  /// With the inputs' moments the output's error is never above the plain decomposition's.
  @Test(arguments: shapes)
  func inputsDecideWhatIsKept(depth: Int, columns: Int) throws {
    let weight = TestModels.numbers(depth * columns, seed: 4)
    let gram = moments(depth, rows: 3 * depth, seed: 8)
    let plain = try Factorization(weight, depth: depth, columns: columns)
    let aware = try Factorization(weight, depth: depth, columns: columns, gram: gram, damping: 1e-9)
    for rank in 1...plain.largestRank {
      func error(_ factorization: Factorization) -> Double {
        let (a, b) = factorization.factors(rank: rank)
        return error(of: product(a, b, depth, rank, columns))
      }
      func error(of approximation: [Float]) -> Double {
        quadratic(gram, difference(weight, approximation), columns)
      }
      let whole = error(of: [Float](repeating: 0, count: weight.count))
      #expect(error(aware) <= error(plain) * (1 + 1e-4) + 1e-9 * whole)
      #expect(abs(error(aware) - aware.energies.dropFirst(rank).reduce(0, +)) < 1e-4 * whole)
    }
  }

  @Test func inputsThatAreAlwaysZeroDoNotMatter() throws {
    let weight = TestModels.numbers(6 * 9, seed: 4)
    let zero = SymmetricMatrix(size: 6, elements: [Double](repeating: 0, count: 36))
    let plain = try Factorization(weight, depth: 6, columns: 9)
    let aware = try Factorization(weight, depth: 6, columns: 9, gram: zero)
    #expect(plain.factors(rank: 3) == aware.factors(rank: 3))
  }

  @Test func numbersThatAreNotFiniteAreRefused() {
    #expect(throws: CompressionError.self) { try Factorization([1, .nan], depth: 2, columns: 1) }
  }

  @Test func usefulRanks() {
    #expect(Factorization.largestUsefulRank(depth: 256, columns: 128) == 85)
    #expect(Factorization.largestUsefulRank(depth: 2, columns: 2) == 0)
    #expect(Factorization.largestUsefulRank(depth: 0, columns: 7) == 0)
    #expect(RankChoice.rank(parameters: 0.5, depth: 64, columns: 256) == 25)
    #expect(RankChoice.rank(parameters: 0, depth: 64, columns: 256) == 1)
    #expect(RankChoice.rank(parameters: 0.5, depth: 0, columns: 256) == 0)
  }

  @Test(arguments: [(0.0, 1), (0.5, 1), (0.51, 2), (0.8, 2), (0.81, 3), (1, 4)])
  func ranksByEnergy(energy: Double, rank: Int) {
    #expect(RankChoice.rank([5, 3, 1.5, 0.5], keeping: energy) == rank)
  }

  @Test func ranksByEnergyOfNothing() {
    #expect(RankChoice.rank([], keeping: 0.9) == 0)
    #expect(RankChoice.rank([0, 0], keeping: 0.9) == 1)
  }

  /// Against all combinations.
  @Test(arguments: [0, 10, 20, 30, 41, 60])
  func commonBudget(budget: Int) throws {
    let layers = [
      RankChoice.Candidate(energies: [8, 4, 2, 1], costPerRank: 5, fullCost: 30),
      RankChoice.Candidate(energies: [3, 3, 3, 3], costPerRank: 5, fullCost: 30),
    ]
    let ranks = RankChoice.ranks(layers, budget: budget)
    let cost = zip(layers, ranks).reduce(0) { $0 + ($1.1.map { $0 * 5 } ?? $1.0.fullCost) }
    #expect(cost <= max(budget, 10))
    func kept(_ layer: Int, _ rank: Int?) -> Double {
      layers[layer].energies.prefix(rank ?? 4).reduce(0, +) / layers[layer].energies.reduce(0, +)
    }
    var best = 0.0
    for first in 1...4 {
      for second in 1...4 where (first + second) * 5 <= max(budget, 10) {
        best = max(best, kept(0, first) + kept(1, second))
      }
    }
    #expect(kept(0, ranks[0]) + kept(1, ranks[1]) >= best - 1e-12)
  }

  @Test func aLayerThatFactorsCannotShrinkStays() {
    let layer = RankChoice.Candidate(energies: [1, 1], costPerRank: 4, fullCost: 4)
    #expect(RankChoice.ranks([layer], budget: 100) == [nil])
  }

  // MARK: convolutions

  private static let kernels = [(1, 1, 1, 1), (4, 3, 3, 3), (3, 5, 1, 3), (2, 2, 5, 1), (6, 4, 3, 2)]

  private func kernel(_ shape: (Int, Int, Int, Int)) -> ConvolutionKernel {
    let count = shape.0 * shape.1 * shape.2 * shape.3
    return ConvolutionKernel(
      outputs: shape.0, inputs: shape.1, height: shape.2, width: shape.3,
      elements: TestModels.numbers(count, seed: 12))
  }

  @Test(arguments: kernels)
  func fullRanksGiveTheConvolution(shape: (Int, Int, Int, Int)) throws {
    let kernel = kernel(shape)
    let spatial = try SpatialFactorization(kernel)
    let pair = try spatial.kernels(rank: spatial.largestRank)
    let composed = SpatialFactorization.composed(pair.vertical, pair.horizontal)
    #expect(squares(difference(kernel.elements, composed.elements)) < 1e-10)
    let tucker = try TuckerFactorization(kernel)
    let parts = try tucker.kernels(inputRank: kernel.inputs, outputRank: kernel.outputs)
    #expect(squares(difference(kernel.elements, TuckerFactorization.composed(parts).elements)) < 1e-10)
    #expect(parts.count == tucker.cost(inputRank: kernel.inputs, outputRank: kernel.outputs))
  }

  @Test(arguments: kernels)
  func theLastConvolutionAnswersToTheInputs(shape: (Int, Int, Int, Int)) throws {
    let kernel = kernel(shape)
    let gram = moments(kernel.inputs * kernel.taps, rows: 100, seed: 2)
    let spatial = try SpatialFactorization(kernel)
    for rank in 1...spatial.largestRank {
      func error(_ pair: (vertical: ConvolutionKernel, horizontal: ConvolutionKernel)) -> Double {
        let composed = SpatialFactorization.composed(pair.vertical, pair.horizontal)
        return quadratic(gram, difference(kernel.matrix, composed.matrix), kernel.outputs)
      }
      let plain = try error(spatial.kernels(rank: rank))
      let whole = quadratic(gram, kernel.matrix, kernel.outputs)
      #expect(try error(spatial.kernels(rank: rank, gram: gram)) <= plain * (1 + 1e-4) + 1e-9 * whole)
    }
  }

  @Test func alternatingNeverErrsMore() throws {
    let kernel = kernel((6, 5, 3, 3))
    let tucker = try TuckerFactorization(kernel)
    func error(_ sweeps: Int) throws -> Double {
      let parts = try tucker.kernels(inputRank: 2, outputRank: 3, sweeps: sweeps)
      return squares(difference(kernel.elements, TuckerFactorization.composed(parts).elements))
    }
    #expect(try error(3) <= error(0) * (1 + 1e-6))
  }

  @Test(arguments: [0, 19, 20, 100, 10_000])
  func tuckerRanksFitTheBudget(budget: Int) throws {
    let tucker = try TuckerFactorization(kernel((6, 5, 3, 3)))
    let ranks = tucker.ranks(budget: budget)
    #expect((ranks == nil) == (budget < 20))
    if let ranks { #expect(tucker.cost(inputRank: ranks.inputRank, outputRank: ranks.outputRank) <= budget) }
  }

  private func moments(_ size: Int, rows: Int, seed: UInt64) -> SymmetricMatrix {
    let noise = TestModels.numbers(rows * size, seed: seed).map(Double.init)
    var elements = [Double](repeating: 0, count: size * size)
    for row in 0..<rows {
      for i in 0..<size {
        for j in 0..<size {
          let (x, y) = (noise[row * size + i] * Double(1 + i % 4), noise[row * size + j] * Double(1 + j % 4))
          elements[i * size + j] += x * y / Double(rows)
        }
      }
    }
    return SymmetricMatrix(size: size, elements: elements)
  }

  private func quadratic(_ gram: SymmetricMatrix, _ delta: [Float], _ columns: Int) -> Double {
    var sum = 0.0
    for i in 0..<gram.size {
      for j in 0..<gram.size {
        for n in 0..<columns {
          sum +=
            Double(delta[i * columns + n]) * gram.elements[i * gram.size + j] * Double(delta[j * columns + n])
        }
      }
    }
    return sum
  }
}
