import Testing

@testable import Compression

@Suite struct MaskStructureTests {
  /// Depths and columns that structures do not divide.
  private static let extents = [(1, 1), (3, 5), (4, 16), (128, 33), (129, 7), (131, 48), (0, 4), (4, 0)]

  @Test(arguments: extents, [0, 0.3, 0.5, 0.8, 1]) func singleWeightsGoByTheirScore(
    extent: (depth: Int, columns: Int), sparsity: Double
  ) {
    let scores = TestModels.numbers(extent.depth * extent.columns, seed: 1).map { abs($0) }
    let mask = MaskStructure.unstructured.mask(
      scores, depth: extent.depth, columns: extent.columns, sparsity: sparsity)
    let count = Int((sparsity * Double(scores.count)).rounded())
    #expect(mask.filter { $0 }.count == count)
    let order = scores.indices.sorted { scores[$0] < scores[$1] }
    #expect(order.prefix(count).allSatisfy { mask[$0] })
  }

  @Test(arguments: extents, [0, 0.3, 0.5, 1]) func eachOutputLosesTheSame(
    extent: (depth: Int, columns: Int), sparsity: Double
  ) {
    let scores = TestModels.numbers(extent.depth * extent.columns, seed: 2).map { abs($0) }
    let mask = MaskStructure.unstructured.mask(
      scores, depth: extent.depth, columns: extent.columns, sparsity: sparsity, perOutput: true)
    let count = Int((sparsity * Double(extent.depth)).rounded())
    for column in 0..<extent.columns {
      let rows = Array(0..<extent.depth)
      let order = rows.sorted { scores[$0 * extent.columns + column] < scores[$1 * extent.columns + column] }
      #expect(Set(rows.filter { mask[$0 * extent.columns + column] }) == Set(order.prefix(count)))
    }
  }

  @Test(arguments: extents, [(2, 4), (4, 8), (1, 4), (0, 2), (4, 4)]) func patternsKeepTheBestOfEveryGroup(
    extent: (depth: Int, columns: Int), pattern: (kept: Int, of: Int)
  ) {
    let scores = TestModels.numbers(extent.depth * extent.columns, seed: 3).map { abs($0) }
    let mask = MaskStructure.pattern(kept: pattern.kept, of: pattern.of).mask(
      scores, depth: extent.depth, columns: extent.columns, sparsity: 0.1)
    for column in 0..<extent.columns {
      for start in stride(from: 0, to: extent.depth, by: pattern.of) {
        let places = (start..<min(start + pattern.of, extent.depth)).map { $0 * extent.columns + column }
        let kept = places.filter { !mask[$0] }
        #expect(kept.count == min(pattern.kept, places.count))
        let best = places.sorted { scores[$0] > scores[$1] }.prefix(pattern.kept)
        #expect(Set(kept) == Set(best))
      }
    }
  }

  @Test(arguments: extents, [(1, 16), (4, 1), (1, 4), (3, 2)]) func blocksGoAsAWhole(
    extent: (depth: Int, columns: Int), block: (inputs: Int, outputs: Int)
  ) {
    let scores = TestModels.numbers(extent.depth * extent.columns, seed: 4).map { abs($0) }
    let structure = MaskStructure.blocks(inputs: block.inputs, outputs: block.outputs)
    for sparsity in [0, 0.4, 1] {
      let mask = structure.mask(scores, depth: extent.depth, columns: extent.columns, sparsity: sparsity)
      var (gone, kept): ([Float], [Float]) = ([], [])
      for row in stride(from: 0, to: extent.depth, by: block.inputs) {
        for column in stride(from: 0, to: extent.columns, by: block.outputs) {
          let rows = row..<min(row + block.inputs, extent.depth)
          let places = rows.flatMap { row in
            (column..<min(column + block.outputs, extent.columns)).map { row * extent.columns + $0 }
          }
          #expect(Set(places.map { mask[$0] }).count == 1)
          let sum = places.reduce(0) { $0 + scores[$1] }
          if mask[places[0]] { gone.append(sum) } else { kept.append(sum) }
        }
      }
      #expect(gone.count == Int((sparsity * Double(gone.count + kept.count)).rounded()))
      #expect(gone.isEmpty || kept.isEmpty || gone.max()! <= kept.min()! * 1.00001)
    }
  }

  @Test func equalScoresGoInOrderAndZeroIsTheLowest() {
    let scores: [Float] = [1, 1, -0.0, 1, 0, 1]
    #expect(
      MaskStructure.unstructured.mask(scores, depth: 6, columns: 1, sparsity: 0.5)
        == [true, false, true, false, true, false])
    #expect(
      MaskStructure.pattern(kept: 1, of: 3).mask(scores, depth: 6, columns: 1, sparsity: 0)
        == [true, false, true, true, true, false])
  }
}
