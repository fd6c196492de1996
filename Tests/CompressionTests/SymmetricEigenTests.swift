import Testing

@testable import Compression

@Suite struct SymmetricEigenTests {
  enum Matrix: CaseIterable {
    case random, identity, repeated, rankOne, chain, huge

    func elements(_ size: Int) -> [Double] {
      let noise = TestModels.numbers(size * size, seed: 5).map(Double.init)
      var result = [Double](repeating: 0, count: size * size)
      for i in 0..<size {
        for j in 0..<size {
          let (low, high) = (min(i, j), max(i, j))
          switch self {
          case .random: result[i * size + j] = noise[high * size + low]
          case .identity: result[i * size + j] = i == j ? 1 : 0
          case .repeated: result[i * size + j] = i == j ? Double(i % 3) : 0
          case .rankOne: result[i * size + j] = Double((i + 1) * (j + 1))
          case .chain: result[i * size + j] = i == j ? 2 : high - low == 1 ? -1 : 0
          case .huge: result[i * size + j] = 1e200 * noise[high * size + low]
          }
        }
      }
      return result
    }
  }

  @Test(arguments: [1, 2, 3, 17, 64], Matrix.allCases)
  func vectorsAreOrthonormalAndSolveTheEquation(size: Int, matrix: Matrix) throws {
    let elements = matrix.elements(size)
    let eigen = try SymmetricEigen(elements, size: size)
    let scale = elements.reduce(0) { max($0, abs($1)) } * Double(size)
    for i in 0..<size {
      for row in 0..<size {
        var image = 0.0
        for k in 0..<size { image += elements[row * size + k] * eigen.vectors[i * size + k] }
        #expect(abs(image - eigen.values[i] * eigen.vectors[i * size + row]) <= 1e-12 * scale)
        let product = zip(eigen.vector(i), eigen.vector(row)).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(product - (i == row ? 1 : 0)) < 1e-12 * Double(size))
      }
    }
    #expect(zip(eigen.values, eigen.values.dropFirst()).allSatisfy { $0 >= $1 })
  }

  @Test func valuesByHand() throws {
    let eigen = try SymmetricEigen([2, 1, 1, 2], size: 2)
    #expect(abs(eigen.values[0] - 3) < 1e-14 && abs(eigen.values[1] - 1) < 1e-14)
    #expect(zip(eigen.vector(0), [0.5, 0.5]).allSatisfy { abs($0 - $1.squareRoot()) < 1e-14 })
  }

  @Test func nothingAndZeros() throws {
    #expect(try SymmetricEigen([], size: 0).values.isEmpty)
    let zeros = try SymmetricEigen([0, 0, 0, 0], size: 2)
    #expect(zeros.values == [0, 0] && zeros.vectors == [1, 0, 0, 1])
  }

  @Test(arguments: [Double.nan, .infinity])
  func numbersThatAreNotFiniteAreRefused(number: Double) {
    #expect(throws: CompressionError.self) { try SymmetricEigen([1, 0, number, 1], size: 2) }
  }
}
