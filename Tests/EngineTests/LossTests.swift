import GraphIR
import Tensors
import Testing

@Suite struct LossTests {
  private let logarithms = floats([2, 3], [-1, -2, -3, -4, -5, -6])

  @Test(
    arguments: [
      ("none", nil, [1, 6]), ("sum", nil, [7]), ("mean", nil, [3.5]), ("mean", 2, [1]), ("sum", 0, [6]),
    ] as [(String, Int?, [Float])])
  func negativeLogLikelihood(reduction: String, ignored: Int?, expected: [Float]) throws {
    var attributes: Attributes = ["reduction": .string(reduction)]
    if let ignored { attributes["ignore_index"] = .int(ignored) }
    let result = try OperatorRunner.run("NegativeLogLikelihoodLoss", [logarithms, ints(0, 2)], attributes)
    #expect(result == [floats(reduction == "none" ? [2] : [], expected)])
  }

  @Test func weightsScaleTheMean() throws {
    let result = try OperatorRunner.run(
      "NegativeLogLikelihoodLoss", [logarithms, ints(0, 2), floats([3], [1, 0, 3])])
    #expect(result == [floats([], [19.0 / 4])])
  }

  @Test func crossEntropyOfEqualScores() throws {
    let result = try OperatorRunner.run(
      "SoftmaxCrossEntropyLoss", [floats([1, 2, 2], [7, 100, 7, 100]), ints([1, 2], [0, 1])], outputs: 2)
    #expect(result[0] == floats([], [0.6931472]))
    #expect(result[1] == floats([1, 2, 2], [-0.6931472, -0.6931472, -0.6931472, -0.6931472]))
  }

  @Test(arguments: [3, -1]) func classOutOfRangeIsRefused(index: Int) {
    #expect(throws: (any Error).self) {
      try OperatorRunner.run("NegativeLogLikelihoodLoss", [logarithms, ints(0, index)])
    }
  }
}
