import Tensors
import Testing

@testable import Compression

@Suite struct PrunerTests {
  private func zeros(_ tensor: Tensor) -> Int { tensor.array(of: Float.self).filter { $0 == 0 }.count }

  @Test(arguments: [0, 0.1, 0.5, 0.9, 1], [PruneStep.Method.magnitude, .random])
  func eachLayerLosesExactlyItsShare(sparsity: Double, method: PruneStep.Method) throws {
    var step = PruneStep(sparsity: sparsity)
    step.method = method
    let layers = try [(7, 1), (1000, 2), (33, 3)].map {
      try Tensor(shape: [$0.0], TestModels.numbers($0.0, seed: UInt64($0.1)))
    }
    for (before, after) in zip(layers, Pruner.prune(layers, step)) {
      #expect(zeros(after) == Int((sparsity * Double(before.elementCount)).rounded()))
      let pairs = zip(before.array(of: Float.self), after.array(of: Float.self))
      #expect(pairs.allSatisfy { $0 == $1 || $1 == 0 })
    }
  }

  @Test func theSmallestMagnitudesGo() throws {
    let values = TestModels.numbers(501, seed: 4)
    let pruned = Pruner.prune([try Tensor(shape: [501], values)], PruneStep(sparsity: 0.7))[0]
    let sorted = values.map(abs).sorted()
    for (value, result) in zip(values, pruned.array(of: Float.self)) {
      #expect((result == 0) == (abs(value) <= sorted[350]))
    }
  }

  @Test func equalMagnitudesGoInOrder() throws {
    let tensor = try Tensor(shape: [6], [1, -1, 1, -1, 1, -1] as [Float])
    #expect(
      Pruner.prune([tensor], PruneStep(sparsity: 0.5))[0].array(of: Float.self) == [0, 0, 0, -1, 1, -1])
  }

  @Test func theGlobalRankingTakesTheSmallestOfAllLayers() throws {
    var step = PruneStep(sparsity: 0.5)
    step.scope = .global
    let large = try Tensor(shape: [400], TestModels.numbers(400, seed: 5))
    let small = large.scaled(by: 1 / 1024)
    let pruned = Pruner.prune([large, small], step)
    #expect(zeros(pruned[0]) + zeros(pruned[1]) == 400)
    #expect(zeros(pruned[1]) > 395)
  }

  @Test func thresholdsAreStrict() throws {
    let tensor = try Tensor(shape: [4], [0.5, -0.25, 0.24, 0] as [Float])
    #expect(Pruner.prune([tensor], PruneStep(epsilon: 0.25))[0].array(of: Float.self) == [0.5, -0.25, 0, 0])
  }

  @Test func zerosCountAsPruned() throws {
    for method in [PruneStep.Method.magnitude, .random] {
      var step = PruneStep(sparsity: 0.5)
      step.method = method
      let tensor = try Tensor(shape: [4], [0, 3, 0, 2] as [Float])
      #expect(Pruner.prune([tensor], step)[0] == tensor)
    }
  }
}
