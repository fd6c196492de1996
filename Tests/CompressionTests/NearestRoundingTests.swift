import Tensors
import Testing

@testable import Compression

@Suite struct NearestRoundingTests {
  private static let grids: [any WeightGrid] = [
    IntegerGrid(bits: 8, isSymmetric: true), IntegerGrid(bits: 4, isSymmetric: true),
    IntegerGrid(bits: 4, isSymmetric: false), IntegerGrid(bits: 3, isSymmetric: true),
    IntegerGrid(bits: 2, isSymmetric: true), PowerOfTwoGrid(), SignGrid(isTernary: true),
    SignGrid(isTernary: false), CodebookGrid(clusters: 8),
  ]

  @Test(arguments: [(1, 1), (31, 3), (32, 5), (33, 2), (65, 1), (0, 3), (5, 0)])
  func everyGroupIsFittedAndRoundedAlone(depth: Int, columns: Int) throws {
    let layout = MatrixLayout(groups: 1, depth: depth, columns: columns)
    let matrix = TestModels.numbers(layout.count, seed: UInt64(depth * 100 + columns))
    for grid in Self.grids {
      for groups in [ScaleGroups.tensor, .channel, .blocks(32), .blocks(1), .blocks(64)] {
        let (codes, scales) = try NearestRounding().codes(
          matrix, layout, grid, groups, .mse, gram: nil, mask: nil, minimumScales: nil)
        #expect(codes.count == layout.count)
        #expect(scales.count == groups.count(depth: depth, columns: columns))
        // The members of each group, gathered by a walk over all elements.
        var members = [[Int]](repeating: [], count: scales.count)
        for row in 0..<depth {
          for column in 0..<columns {
            let group: Int
            switch groups {
            case .tensor: group = 0
            case .channel: group = column
            case .blocks(let size): group = row / size * columns + column
            }
            members[group].append(row * columns + column)
          }
        }
        for (group, indices) in members.enumerated() {
          if groups == .tensor || !indices.isEmpty {
            // Columns one after the other, as sums of floats depend on their order.
            let ordered = indices.sorted { ($0 % columns, $0) < ($1 % columns, $1) }
            #expect(scales[group] == grid.fit(ordered.map { matrix[$0] }, .mse))
          }
          for index in indices { #expect(codes[index] == grid.round(matrix[index], scales[group])) }
        }
      }
    }
  }

  @Test func theGramsDiagonalIsTheImportance() throws {
    let layout = MatrixLayout(groups: 1, depth: 40, columns: 2)
    let matrix = TestModels.numbers(80, seed: 1)
    let importance = TestModels.numbers(40, seed: 2).map { abs($0) }
    var elements = TestModels.numbers(1600, seed: 3).map(Double.init)
    for row in 0..<40 { elements[row * 41] = Double(importance[row]) }
    let grid = IntegerGrid(bits: 3, isSymmetric: true)
    let (_, scales) = try NearestRounding().codes(
      matrix, layout, grid, .channel, .auto, gram: SymmetricMatrix(size: 40, elements: elements), mask: nil,
      minimumScales: nil)
    for column in 0..<2 {
      let values = (0..<40).map { matrix[$0 * 2 + column] }
      #expect(scales[column] == grid.fit(values, importance: importance, .oscar))
    }
  }

  @Test func maskedWeightsStayZero() throws {
    let layout = MatrixLayout(groups: 1, depth: 50, columns: 3)
    let matrix = TestModels.numbers(150, seed: 9).map { $0 + 2 }
    let mask = TestModels.numbers(150, seed: 10).map { $0 > 0 }
    for grid in Self.grids {
      let (codes, scales) = try NearestRounding().codes(
        matrix, layout, grid, .channel, .none, gram: nil, mask: mask, minimumScales: nil)
      for index in codes.indices where mask[index] {
        let scale = scales[index % 3]
        if grid.keepsZero(scale) { #expect(grid.value(codes[index], scale) == 0) }
      }
      let isBinary = (grid as? SignGrid)?.isTernary == false
      #expect(scales.allSatisfy { grid.keepsZero($0) } == !isBinary)
    }
  }

  @Test func minimumScalesAreThoseOfTheColumn() throws {
    let layout = MatrixLayout(groups: 1, depth: 4, columns: 2)
    let matrix = [Float](repeating: 1, count: 8)
    let grid = IntegerGrid(bits: 8, isSymmetric: true)
    for (groups, expected) in [
      (ScaleGroups.channel, [10, 1 / 127]), (.tensor, [10]), (.blocks(2), [10, 1 / 127, 10, 1 / 127]),
    ] as [(ScaleGroups, [Float])] {
      let (_, scales) = try NearestRounding().codes(
        matrix, layout, grid, groups, .none, gram: nil, mask: nil, minimumScales: [10, 0])
      #expect(scales.map(\.scale) == expected)
    }
  }
}
