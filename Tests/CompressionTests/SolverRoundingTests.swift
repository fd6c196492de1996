import Testing

@testable import Compression

/// GPTQ and descent against the textbook and against plain rounding.
@Suite struct SolverRoundingTests {
  private static let grids: [any WeightGrid] = [
    IntegerGrid(bits: 4, isSymmetric: true), IntegerGrid(bits: 2, isSymmetric: true),
    IntegerGrid(bits: 3, isSymmetric: false), SignGrid(isTernary: true),
  ]
  private static let groups: [ScaleGroups] = [.tensor, .channel, .blocks(8), .blocks(1), .blocks(1000)]

  private struct Case {
    let layout: MatrixLayout
    let weight: [Float]
    let gram: SymmetricMatrix

    init(_ depth: Int, _ columns: Int, seed: UInt64 = 1, dead: Set<Int> = []) {
      layout = MatrixLayout(groups: 1, depth: depth, columns: columns)
      weight = TestModels.numbers(depth * columns, seed: seed)
      gram = SolverReference.gram(size: depth, rows: 2 * depth + 1, seed: seed + 1, dead: dead)
    }

    /// The damped error of the layer's output.
    func cost(_ codes: [Int32], _ grid: any WeightGrid, _ groups: ScaleGroups, _ scales: [GridScale])
      -> Double
    {
      let values = ScaledGrid(layout, grid, groups, scales).values(codes)
      let damped = SymmetricMatrix(size: gram.size, elements: SolverReference.damped(gram, 0.01))
      return damped.quadratic(zip(values, weight).map { $0 - $1 }, columns: layout.columns)
    }
  }

  /// The textbook takes the inverse of what is left anew for each row; there is no block and no factor.
  @Test(arguments: [1, 2, 7, 20], groups) func theCodesAreThoseOfTheTextbook(
    depth: Int, groups: ScaleGroups
  ) throws {
    let made = Case(depth, 5, seed: 11)
    for grid in Self.grids {
      let (codes, scales) = try GPTQRounding().codes(
        made.weight, made.layout, grid, groups, .none, gram: made.gram, mask: nil, minimumScales: nil)
      let target = ScaledGrid(made.layout, grid, groups, scales)
      var expected = [Int32](repeating: 0, count: codes.count)
      let order = (0..<depth).sorted { made.gram[$0, $0] > made.gram[$1, $1] }
      _ = SolverReference.surgery(
        made.weight.map(Double.init), columns: 5, SolverReference.damped(made.gram, 0.01), order: order
      ) { row, column, value in
        let code = target.code(Float(value), row: row, column: column)
        expected[row * 5 + column] = code
        return Double(target.value(code, row: row, column: column))
      }
      #expect(codes == expected)
    }
  }

  /// Across the borders of blocks: 127, 128, 129 and more rows.
  @Test(arguments: [1, 64, 127, 128, 129, 260], [1, 3, 33]) func eachMethodIsAsGoodAsTheOneBefore(
    depth: Int, columns: Int
  ) throws {
    let made = Case(depth, columns, seed: 12, dead: depth > 100 ? [0, 5] : [])
    for grid in Self.grids {
      for groups in [ScaleGroups.channel, .blocks(32)] {
        func run(_ rounding: any WeightRounding) throws -> Double {
          let (codes, scales) = try rounding.codes(
            made.weight, made.layout, grid, groups, .none, gram: made.gram, mask: nil, minimumScales: nil)
          #expect(codes.count == made.weight.count)
          #expect(scales.count == groups.count(depth: depth, columns: columns))
          return made.cost(codes, grid, groups, scales)
        }
        let (nearest, gptq) = (try run(NearestRounding()), try run(GPTQRounding()))
        let descent = try run(DescentRounding())
        #expect(gptq <= nearest * 1.0001)
        #expect(descent <= gptq * 1.000001)
        if depth > 100, columns > 1 { #expect(gptq < 0.9 * nearest) }
      }
    }
  }

  @Test func noChangeOfOneCodeImprovesADescent() throws {
    let made = Case(24, 3, seed: 13)
    let grid = IntegerGrid(bits: 3, isSymmetric: true)
    var rounding = DescentRounding()
    rounding.maximumSweeps = 1000
    let (codes, scales) = try rounding.codes(
      made.weight, made.layout, grid, .channel, .none, gram: made.gram, mask: nil, minimumScales: nil)
    let best = made.cost(codes, grid, .channel, scales)
    for index in codes.indices {
      for step in [-1, 1] as [Int32] where grid.codes.contains(codes[index] + step) {
        var other = codes
        other[index] += step
        #expect(made.cost(other, grid, .channel, scales) >= best * 0.999999)
      }
    }
  }

  @Test(arguments: [0, 0.5, 1]) func maskedWeightsStayZeroAndTheOthersMakeUpForThem(share: Double) throws {
    let made = Case(130, 9, seed: 14)
    let mask = TestModels.numbers(made.weight.count, seed: 15).map { Double($0) < 2 * share - 1 }
    let grid = IntegerGrid(bits: 4, isSymmetric: true)
    var costs: [Double] = []
    for rounding in [NearestRounding(), GPTQRounding(), DescentRounding()] as [any WeightRounding] {
      let (codes, scales) = try rounding.codes(
        made.weight, made.layout, grid, .channel, .none, gram: made.gram, mask: mask, minimumScales: nil)
      let values = ScaledGrid(made.layout, grid, .channel, scales).values(codes)
      #expect(mask.indices.allSatisfy { !mask[$0] || values[$0] == 0 })
      costs.append(made.cost(codes, grid, .channel, scales))
    }
    #expect(costs[1] <= costs[0] && costs[2] <= costs[1] * 1.000001)
  }

  @Test func withoutMomentsCodesAreTheNearest() throws {
    let made = Case(33, 4, seed: 16)
    let grid = IntegerGrid(bits: 4, isSymmetric: true)
    func run(_ rounding: any WeightRounding) throws -> [Int32] {
      try rounding.codes(
        made.weight, made.layout, grid, .blocks(8), .none, gram: nil, mask: nil, minimumScales: nil
      ).codes
    }
    #expect(try run(GPTQRounding()) == run(NearestRounding()))
    #expect(try run(DescentRounding()) == run(NearestRounding()))
  }

  @Test(arguments: [(0, 3), (3, 0), (0, 0)]) func emptyMatricesHaveNoCodes(depth: Int, columns: Int) throws {
    let gram = SymmetricMatrix(size: depth, elements: [Double](repeating: 1, count: depth * depth))
    let layout = MatrixLayout(groups: 1, depth: depth, columns: columns)
    for rounding in [GPTQRounding(), DescentRounding()] as [any WeightRounding] {
      let (codes, _) = try rounding.codes(
        [], layout, IntegerGrid(bits: 4, isSymmetric: true), .channel, .none, gram: gram, mask: nil,
        minimumScales: nil)
      #expect(codes.isEmpty)
    }
  }

  @Test func scalesAreAtLeastTheSmallestAllowed() throws {
    let made = Case(20, 3, seed: 17)
    let (_, scales) = try GPTQRounding().codes(
      made.weight, made.layout, IntegerGrid(bits: 8, isSymmetric: true), .channel, .none, gram: made.gram,
      mask: nil,
      minimumScales: [0, 0.5, 0])
    #expect(scales[1].scale == 0.5)
    #expect(scales[0].scale < 0.01 && scales[2].scale < 0.01)
  }

  @Test func momentsThatAreNotFiniteAreRefused() {
    let gram = SymmetricMatrix(size: 2, elements: [1, .nan, .nan, 1])
    let layout = MatrixLayout(groups: 1, depth: 2, columns: 1)
    #expect(throws: CompressionError.self) {
      try GPTQRounding().codes(
        [1, 2], layout, IntegerGrid(bits: 4, isSymmetric: true), .channel, .none, gram: gram, mask: nil,
        minimumScales: nil)
    }
  }
}
