import Tensors
import Testing

@testable import Compression

extension WeightGrid {
  func fit(
    _ values: [Float], importance: [Float]? = nil, _ clip: Clip = .none, minimumScale: Float = 0
  ) -> GridScale {
    values.withUnsafeBufferPointer { values in
      guard let importance else {
        return fit(values, importance: nil, clip, minimumScale: minimumScale)
      }
      return importance.withUnsafeBufferPointer {
        fit(values, importance: $0, clip, minimumScale: minimumScale)
      }
    }
  }

  func restored(_ values: [Float], _ scale: GridScale) -> [Float] {
    values.map { value(round($0, scale), scale) }
  }
}

@Suite struct WeightGridTests {
  /// Bits, symmetric, unsigned; storage, lowest and highest code.
  private static let integers: [(Int, Bool, Bool, ElementType, Int32, Int32)] = [
    (8, true, false, .int8, -127, 127), (8, true, true, .uint8, 1, 255), (8, false, true, .uint8, 0, 255),
    (7, true, false, .int8, -64, 63), (5, false, true, .uint8, 0, 31),
    (4, true, false, .int4, -8, 7), (4, true, true, .uint4, 0, 15), (4, false, true, .uint4, 0, 15),
    (3, true, false, .int4, -4, 3), (3, false, true, .uint4, 0, 7),
    (2, true, false, .int2, -2, 1), (2, true, true, .uint2, 0, 3), (2, false, true, .uint2, 0, 3),
  ]

  @Test(arguments: integers) func integerGridsFollowTheFormula(
    bits: Int, isSymmetric: Bool, isUnsigned: Bool, storage: ElementType, lowest: Int32, highest: Int32
  ) {
    let grid = IntegerGrid(bits: bits, isSymmetric: isSymmetric, isUnsigned: isUnsigned)
    #expect(grid.storage == storage)
    for (seed, shift) in [(1, 0), (2, 0.5), (3, -3), (4, 3)] as [(UInt64, Float)] {
      let values = TestModels.numbers(101, seed: seed).map { $0 + shift } + [0]
      let scale = grid.fit(values)
      let (low, high) = (values.min()!, values.max()!)
      let middle: Int32 = isUnsigned ? 1 << Int32(bits - 1) : 0
      if isSymmetric {
        #expect(scale.scale == max(-low, high) / Float(1 << (bits - 1) - 1))
        #expect(scale.zeroPoint == middle)
      } else {
        #expect(abs(scale.scale - (max(high, 0) - min(low, 0)) / Float(1 << bits - 1)) <= scale.scale.ulp)
        #expect(scale.zeroPoint == Int32((-min(low, 0) / scale.scale).rounded(.toNearestOrEven)))
      }
      #expect(grid.keepsZero(scale))
      for value in values {
        let code = grid.round(value, scale)
        #expect((lowest...highest).contains(code))
        // A range that is asymmetric may move by half a step when its zero is made exact.
        let slack: Float = isSymmetric ? 0.5001 : 1.0001
        #expect(abs(grid.value(code, scale) - value) <= scale.scale * slack)
      }
      #expect(grid.value(grid.round(0, scale), scale) == 0)
      #expect(grid.round(.infinity, scale) == highest)
      #expect(grid.round(-.infinity, scale) == lowest)
      #expect(grid.round(.nan, scale) == grid.round(0, scale))
    }
  }

  @Test func halvesGoToTheEvenCode() {
    let grid = IntegerGrid(bits: 8, isSymmetric: true)
    let scale = GridScale(scale: 1)
    #expect([0.5, 1.5, 2.5, -0.5, -1.5].map { grid.round($0, scale) } == [0, 2, 2, 0, -2])
  }

  /// Everything a scale can meet: no values, zeros, subnormals, the largest floats, and what is no number.
  @Test func hostileValuesGiveAUsableScale() {
    let largest = Float.greatestFiniteMagnitude
    let cases: [[Float]] = [
      [], [0], [-0.0, 0], [.nan], [.infinity, -.infinity], [.leastNonzeroMagnitude], [largest],
      [-largest, largest], [1, .nan, .infinity], [1e-38, -.leastNormalMagnitude / 8],
      [largest, .leastNonzeroMagnitude],
    ]
    var grids: [any WeightGrid] = [
      PowerOfTwoGrid(), SignGrid(isTernary: false), SignGrid(isTernary: true), CodebookGrid(clusters: 4),
    ]
    for bits in 2...8 {
      grids += [IntegerGrid(bits: bits, isSymmetric: true), IntegerGrid(bits: bits, isSymmetric: false)]
    }
    for grid in grids {
      for values in cases {
        for clip in Clip.allCases {
          for importance in [nil, [Float](repeating: 0, count: values.count), values] {
            let scale = grid.fit(values, importance: importance, clip)
            #expect(scale.scale.isFinite && scale.scale >= .leastNormalMagnitude)
            for value in values + [0, .nan, .infinity, -largest] {
              #expect(grid.value(grid.round(value, scale), scale).isFinite)
            }
            #expect(!grid.keepsZero(scale) || grid.value(grid.round(0, scale), scale) == 0)
          }
        }
      }
    }
  }

  @Test func minimumScalesAreLowerBounds() {
    for grid in [IntegerGrid(bits: 8, isSymmetric: true), IntegerGrid(bits: 4, isSymmetric: false)] {
      #expect(grid.fit([-1, 1], minimumScale: 10).scale == 10)
      #expect(grid.fit([0, 0], minimumScale: 10).scale == 10)
      #expect(grid.fit([-1, 1], .mse, minimumScale: 10).scale == 10)
    }
    #expect(PowerOfTwoGrid().fit([1], minimumScale: 5).scale == 8)
    #expect(PowerOfTwoGrid().fit([1], minimumScale: 4).scale == 4)
    #expect(SignGrid(isTernary: true).fit([1], minimumScale: 5).scale == 5)
  }

  /// The largest weight and the scale: floor(7 − log2 max) bits behind the point.
  private static let fixedPoints: [(Float, Float)] = [
    (1, 1.0 / 128), (0.99, 1.0 / 128), (1.01, 1.0 / 64), (127, 1), (128, 1), (129, 2), (3, 1.0 / 32),
  ]

  @Test(arguments: fixedPoints)
  func fixedPointHasPowersOfTwo(largest: Float, expected: Float) {
    let grid = PowerOfTwoGrid()
    let scale = grid.fit([0.1, -largest])
    #expect(scale == GridScale(scale: expected))
    #expect(abs(grid.restored([-largest], scale)[0] + largest) <= expected / 2)
    #expect(grid.round(largest, scale) <= 127)
  }

  @Test func fixedPointMayCutOffForTheLeastError() {
    // One weight just above a power of two, and many small ones that gain from another bit.
    let values = [1.01] + TestModels.numbers(1000, seed: 6).map { $0 / 16 }
    let grid = PowerOfTwoGrid()
    let (plain, searched) = (grid.fit(values, .none), grid.fit(values, .mse))
    #expect(plain.scale == 1.0 / 64)
    #expect(searched.scale == 1.0 / 128)
    #expect(squaredError(values, grid, searched) < squaredError(values, grid, plain))
  }

  @Test func signsAndTheirScalesAreMeans() {
    let values: [Float] = [1, -2, 3, -4, 0, 0.5]
    let binary = SignGrid(isTernary: false)
    let scale = binary.fit(values)
    #expect(scale.scale == Float(10.5 / 6))
    #expect(values.map { binary.round($0, scale) } == [1, -1, 1, -1, 1, 1])
    #expect(!binary.keepsZero(scale))
    let ternary = SignGrid(isTernary: true)
    // Δ = 0.7 · 1.75 = 1.225: the mean of 2, 3 and 4.
    let wide = ternary.fit(values)
    #expect(wide.scale == 3)
    #expect(values.map { ternary.round($0, wide) } == [0, -1, 1, -1, 0, 0])
    #expect(ternary.keepsZero(wide))
  }

  @Test func codebooksHoldTheNearestLevels() {
    let grid = CodebookGrid(clusters: 16)
    let values = TestModels.numbers(500, seed: 8) + [0]
    for importance in [nil, TestModels.numbers(501, seed: 9).map { abs($0) + 0.1 }] {
      let scale = grid.fit(values, importance: importance)
      let levels = scale.levels!
      #expect(levels.count == 16 && levels.contains(0) && grid.keepsZero(scale))
      #expect(zip(levels, levels.dropFirst()).allSatisfy { $0 < $1 })
      for value in values + [-5, 5] {
        let restored = grid.value(grid.round(value, scale), scale)
        #expect(abs(restored - value) == levels.map { abs($0 - value) }.min()!)
      }
    }
    #expect(grid.storage == .uint4)
    #expect(CodebookGrid(clusters: 17).storage == .uint8)
    // Fewer distinct values than clusters: all are kept.
    #expect(grid.fit([2, 1, 2, 1]).levels == [1, 2])
    #expect(grid.restored([2, 1], grid.fit([2, 1, 2, 1])) == [2, 1])
    #expect(!grid.keepsZero(grid.fit([2, 1])))
  }

  private func squaredError(_ values: [Float], _ grid: any WeightGrid, _ scale: GridScale) -> Double {
    zip(values, grid.restored(values, scale)).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  }
}
