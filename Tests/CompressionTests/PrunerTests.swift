import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct PrunerTests {
  private func zeros(_ tensor: Tensor) -> Int { tensor.array(of: Float.self).filter { $0 == 0 }.count }

  /// A layer y = x W of its own.
  private func layer(_ shape: Shape, _ values: [Float]) throws -> WeightLayer {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(shape[0])])
    let weight = builder.constant("weight", try Tensor(shape: shape, values))
    let y = builder.node("MatMul", "layer", [x, weight])
    return LayerScan(builder.model(output: y, [.symbol("batch"), .known(shape[1])])).layers[0]
  }

  private func prune(
    _ layer: WeightLayer, _ method: PruneStep.Method, _ sparsity: Double, number: Int = 0,
    _ structure: PruneStep.Structure = .unstructured
  ) throws -> Tensor {
    var step = PruneStep(sparsity: sparsity)
    step.method = method
    step.structure = structure
    return try Pruner(step: step, sparsity: sparsity, refits: false).prune(layer, number: number, nil)
  }

  @Test(arguments: [0, 0.1, 0.5, 0.9, 1], [PruneStep.Method.magnitude, .random])
  func eachLayerLosesExactlyItsShare(sparsity: Double, method: PruneStep.Method) throws {
    for (count, seed) in [(7, 1), (1000, 2), (33, 3)] {
      let before = try layer([count, 1], TestModels.numbers(count, seed: UInt64(seed)))
      let after = try prune(before, method, sparsity, number: seed)
      #expect(zeros(after) == Int((sparsity * Double(count)).rounded()))
      let pairs = zip(before.weights.array(of: Float.self), after.array(of: Float.self))
      #expect(pairs.allSatisfy { $0 == $1 || $1 == 0 })
    }
  }

  @Test func chanceChoosesOtherwiseForOtherLayers() throws {
    let before = try layer([50, 2], TestModels.numbers(100, seed: 1))
    let (first, second) = (try prune(before, .random, 0.5), try prune(before, .random, 0.5, number: 1))
    #expect(first != second)
    #expect(try prune(before, .random, 0.5) == first)
  }

  @Test func theSmallestMagnitudesGo() throws {
    let values = TestModels.numbers(501, seed: 4)
    let pruned = try prune(try layer([501, 1], values), .magnitude, 0.7)
    let sorted = values.map(abs).sorted()
    for (value, result) in zip(values, pruned.array(of: Float.self)) {
      #expect((result == 0) == (abs(value) <= sorted[350]))
    }
  }

  @Test func equalMagnitudesGoInOrder() throws {
    let pruned = try prune(try layer([6, 1], [1, -1, 1, -1, 1, -1]), .magnitude, 0.5)
    #expect(pruned.array(of: Float.self) == [0, 0, 0, -1, 1, -1])
  }

  @Test func thresholdsAreStrict() throws {
    let before = try layer([4, 1], [0.5, -0.25, 0.24, 0])
    let after = try Pruner(step: PruneStep(epsilon: 0.25), sparsity: 0, refits: false).prune(
      before, number: 0, nil)
    #expect(after.array(of: Float.self) == [0.5, -0.25, 0, 0])
  }

  @Test func zerosCountAsPruned() throws {
    for method in [PruneStep.Method.magnitude, .random] {
      let before = try layer([4, 1], [0, 3, 0, 2])
      #expect(try prune(before, method, 0.5) == before.weights)
    }
  }

  /// Blocks are one input of neighbouring outputs: what the engine's sparse kernels skip.
  @Test(arguments: [(PruneStep.Structure.block1x16, 16), (.block4x1, 4)])
  func blocksAreRowsOfNeighbouringOutputs(structure: PruneStep.Structure, width: Int) throws {
    let before = try layer([10, 32], TestModels.numbers(320, seed: 6))
    for method in [PruneStep.Method.magnitude, .random] {
      let values = try prune(before, method, 0.5, structure).array(of: Float.self)
      var emptyBlocks = 0
      for start in stride(from: 0, to: 320, by: width) {
        let count = values[start..<start + width].filter { $0 == 0 }.count
        #expect(count == 0 || count == width)
        emptyBlocks += count == width ? 1 : 0
      }
      #expect(emptyBlocks == 160 / width)
    }
  }
}
