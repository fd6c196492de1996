import Testing

@testable import Compression

@Suite struct OBSPrunerTests {
  private static let structures: [MaskStructure] = [
    .unstructured, .pattern(kept: 2, of: 4), .pattern(kept: 4, of: 8), .blocks(inputs: 1, outputs: 16),
    .blocks(inputs: 4, outputs: 1), .blocks(inputs: 1, outputs: 4),
  ]

  /// The mask that was chosen, carried out by the textbook's inverses: equal weights up to rounding.
  @Test(arguments: structures) func theUpdateIsThatOfTheTextbook(structure: MaskStructure) throws {
    let (depth, columns) = (23, 6)
    let gram = SolverReference.gram(size: depth, rows: 60, seed: 1)
    let weight = TestModels.numbers(depth * columns, seed: 2)
    var pruner = OBSPruner(structure: structure, sparsity: 0.5)
    pruner.refits = false
    let result = try pruner.prune(weight, columns: columns, gram: gram)
    let expected = SolverReference.surgery(
      weight.map(Double.init), columns: columns, SolverReference.damped(gram, 0.01), order: Array(0..<depth)
    ) { row, column, value in result.mask[row * columns + column] ? 0 : value }
    #expect(zip(result.weights, expected).allSatisfy { abs(Double($0) - $1) < 1e-5 })
  }

  @Test(arguments: structures, [(1, 1), (20, 16), (127, 5), (128, 33), (129, 48), (300, 20)])
  func masksHaveTheStructureAndErrorsAreSmall(
    structure: MaskStructure, extent: (depth: Int, columns: Int)
  ) throws {
    let (depth, columns) = extent
    let dead: Set<Int> = depth > 100 ? [0, 17, 18] : []
    let gram = SolverReference.gram(size: depth, rows: depth + 10, seed: 3, dead: dead)
    let weight = TestModels.numbers(depth * columns, seed: 4)
    var pruner = OBSPruner(structure: structure, sparsity: 0.5)
    let refitted = try pruner.prune(weight, columns: columns, gram: gram)
    pruner.refits = false
    let updated = try pruner.prune(weight, columns: columns, gram: gram)
    #expect(refitted.mask == updated.mask)
    #expect(refitted.mask.indices.allSatisfy { !refitted.mask[$0] || refitted.weights[$0] == 0 })
    #expect(updated.mask.indices.allSatisfy { !updated.mask[$0] || updated.weights[$0] == 0 })

    // Magnitudes are cut by the same structure without any update.
    let magnitude = structure.mask(
      PruningScores.magnitude(weight), depth: depth, columns: columns, sparsity: 0.5)
    func error(_ weights: [Float]) -> Double {
      gram.quadratic(zip(weights, weight).map { $0 - $1 }, columns: columns)
    }
    let plain = error(weight.indices.map { magnitude[$0] ? 0 : weight[$0] })
    if depth > 1 {
      #expect(error(updated.weights) < plain)
      #expect(error(refitted.weights) <= error(updated.weights) * 1.02)
    }
    if case .pattern(let kept, let of) = structure {
      for column in 0..<columns {
        for start in stride(from: 0, to: depth, by: of) {
          let rows = start..<min(start + of, depth)
          #expect(rows.filter { !refitted.mask[$0 * columns + column] }.count == min(kept, rows.count))
        }
      }
    } else if structure == .unstructured {
      let panels = stride(from: 0, to: depth, by: 128).map { min(128, depth - $0) * columns }
      let count = panels.reduce(0) { $0 + Int((0.5 * Double($1)).rounded()) }
      #expect(refitted.mask.filter { $0 }.count == count)
      for row in dead where row < 128 {
        #expect(refitted.mask[row * columns..<(row + 1) * columns].allSatisfy { $0 })
      }
    }
  }

  @Test(arguments: [0.0, 1.0]) func nothingOrEverything(sparsity: Double) throws {
    let gram = SolverReference.gram(size: 10, rows: 20, seed: 5)
    let weight = TestModels.numbers(30, seed: 6)
    let result = try OBSPruner(sparsity: sparsity).prune(weight, columns: 3, gram: gram)
    #expect(result.weights == (sparsity == 0 ? weight : [Float](repeating: 0, count: 30)))
  }

  @Test func zerosStayAndEmptyMatricesStayEmpty() throws {
    let gram = SolverReference.gram(size: 12, rows: 30, seed: 7)
    let weight = TestModels.numbers(24, seed: 8).enumerated().map { $0 % 3 == 0 ? 0 : $1 }
    let result = try OBSPruner(sparsity: 1.0 / 3).prune(weight, columns: 2, gram: gram)
    #expect(result.weights == weight)
    let none = try OBSPruner(sparsity: 0.5).prune([], columns: 0, gram: gram)
    #expect(none.weights.isEmpty && none.mask.isEmpty)
    let empty = SymmetricMatrix(size: 0, elements: [])
    #expect(try OBSPruner(sparsity: 0.5).prune([], columns: 4, gram: empty).mask.isEmpty)
  }

  @Test func momentsThatAreNotFiniteAreRefused() {
    let gram = SymmetricMatrix(size: 1, elements: [.infinity])
    #expect(throws: CompressionError.self) { try OBSPruner(sparsity: 0.5).prune([1], columns: 1, gram: gram) }
  }
}
