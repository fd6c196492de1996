import Testing

@testable import Compression

@Suite struct ChannelImportanceTests {
  @Test(arguments: [
    (256, 0.5, 128), (256, 0.7, 80), (16, 0, 16), (16, 1, 8), (20, 0.5, 8), (5, 0.9, 5), (0, 0.5, 0),
    (20, 0.2, 16),
    (20, -1, 20),
  ])
  func keptCounts(count: Int, sparsity: Double, kept: Int) {
    #expect(ChannelImportance.keptCount(of: count, sparsity: sparsity) == kept)
  }

  @Test func theLargestStayInOrder() {
    #expect(ChannelImportance.largest([1, 5, .nan, 5, 2], count: 2) == [1, 3])
    #expect(ChannelImportance.largest([3, 3, 3], count: 2) == [0, 1])
    #expect(ChannelImportance.largest([1], count: 9) == [0])
    #expect(ChannelImportance.largest([], count: 1) == [])
  }

  @Test func energiesByHand() {
    // Channel 0 takes rows 0 and 2.
    let weight: [Float] = [1, 2, 0, 3, 1, 1]
    let rows = [[0, 2], [1]]
    #expect(
      ChannelImportance.energies(meanSquare: [2, 1, 10], weight: weight, columns: 2, rows: rows) == [30, 9])
    #expect(ChannelImportance.norms(weight, columns: 2, rows: rows) == [7, 9])
  }

  @Test func weakGroupsLoseMore() {
    let strong = (0..<32).map { _ in 1.0 }
    let uneven = (0..<32).map { $0 < 16 ? 0.01 : 2 }
    #expect(ChannelImportance.keptCounts([strong, uneven], sparsity: 0.25) == [32, 16])
    #expect(ChannelImportance.keptCounts([[], strong], sparsity: 0) == [0, 32])
  }

  /// With the moments of the inputs, nothing does better than the repaired consumer, the constant included.
  @Test func repairIsTheLeastSquaresAnswer() throws {
    let (rows, size, columns) = (200, 6, 3)
    let noise = TestModels.numbers(rows * size, seed: 4)
    // Inputs with a mean, the last two made of others.
    let inputs = (0..<rows).map { row -> [Double] in
      var x = (0..<size).map { Double(noise[row * size + $0]) + Double($0) }
      x[4] = x[0] - x[1]
      x[5] = 2 * x[2] + 1
      return x
    }
    var mean = [Double](repeating: 0, count: size)
    var gram = [Double](repeating: 0, count: size * size)
    for x in inputs {
      for i in 0..<size {
        mean[i] += x[i] / Double(rows)
        for j in 0..<size { gram[i * size + j] += x[i] * x[j] / Double(rows) }
      }
    }
    let weight = TestModels.numbers(size * columns, seed: 5)
    let kept = [0, 1, 2, 3]
    let repaired = try ConsumerRepair.repair(
      SymmetricMatrix(size: size, elements: gram), mean: mean, weight, columns: columns, kept: kept,
      damping: 1e-9)
    // What is removed is a linear function of what stays, so that nothing is lost.
    for x in inputs {
      for column in 0..<columns {
        let wanted = (0..<size).reduce(0.0) { $0 + x[$1] * Double(weight[$1 * columns + column]) }
        let given = kept.enumerated().reduce(Double(repaired.biasShift[column])) {
          $0 + x[$1.element] * Double(repaired.weight[$1.offset * columns + column])
        }
        #expect(abs(wanted - given) < 1e-4)
      }
    }
    let nothing = try ConsumerRepair.repair(
      SymmetricMatrix(size: size, elements: gram), mean: mean, weight, columns: columns, kept: Array(0..<size)
    )
    #expect(nothing.weight == weight && nothing.biasShift.allSatisfy { abs($0) < 1e-6 })
  }
}
