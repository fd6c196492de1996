import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct SamplingOperatorTests {
  /// The grid of no movement gives the image back, whatever the mode.
  @Test(arguments: ["linear", "nearest", "cubic"], [0, 1])
  func identityGrid(mode: String, alignsCorners: Int) throws {
    let x = counting([1, 2, 3, 4])
    let theta = floats([1, 2, 3], [1, 0, 0, 0, 1, 0])
    let attribute: Attributes = ["align_corners": .int(alignsCorners)]
    let grid = try OperatorRunner.run("AffineGrid", [theta, ints(1, 2, 3, 4)], attribute)[0]
    #expect(grid.shape == [1, 3, 4, 2])
    let result = try OperatorRunner.run(
      "GridSample", [x, grid], ["align_corners": .int(alignsCorners), "mode": .string(mode)])[0]
    for (a, b) in zip(result.array(of: Float.self), x.array(of: Float.self)) { #expect(abs(a - b) < 1e-4) }
  }

  @Test(arguments: [("zeros", Float(0)), ("border", 3), ("reflection", 3)])
  func outside(padding: String, expected: Float) throws {
    let x = floats([1, 1, 1, 4], [0, 1, 2, 3])
    let result = try OperatorRunner.run(
      "GridSample", [x, floats([1, 1, 1, 2], [1.25, 0])],
      ["mode": .string("nearest"), "padding_mode": .string(padding)])
    #expect(result == [floats([1, 1, 1, 1], [expected])])
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, 1e38])
  func coordinatesThatAreNoPlaces(_ value: Float) throws {
    for padding in ["zeros", "border", "reflection"] {
      let result = try OperatorRunner.run(
        "GridSample", [counting([1, 1, 2, 2]), floats([1, 1, 1, 2], [value, value])],
        ["padding_mode": .string(padding)])
      #expect(result[0].shape == [1, 1, 1, 1])
    }
  }

  /// Without offsets it is the plain convolution.
  @Test func deformConvWithoutOffsets() throws {
    let x = counting([2, 4, 5, 5])
    let weight = counting([6, 2, 3, 3])
    let attributes: Attributes = ["group": .int(2), "pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2])]
    let offset = floats([2, 18, 3, 3], [Float](repeating: 0, count: 324))
    let result = try OperatorRunner.run("DeformConv", [x, weight, offset], attributes)
    #expect(result == (try OperatorRunner.run("Conv", [x, weight], attributes)))
  }

  /// Blocks that do not overlap are the image in another order.
  @Test func col2Im() throws {
    let result = try OperatorRunner.run(
      "Col2Im", [floats([1, 2, 2], [1, 2, 3, 4]), ints(1, 4), ints(1, 2)], ["strides": .ints([1, 2])])
    #expect(result == [floats([1, 1, 1, 4], [1, 3, 2, 4])])
  }

  @Test func unpoolRefusesIndices() throws {
    let x = floats([1, 1, 1, 1], [5])
    let attributes: Attributes = ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]
    let result = try OperatorRunner.run("MaxUnpool", [x, ints([1, 1, 1, 1], [2])], attributes)
    #expect(result == [floats([1, 1, 2, 2], [0, 0, 5, 0])])
    for index in [-1, 4, Int.max] {
      #expect(throws: EngineError.self) {
        try OperatorRunner.run("MaxUnpool", [x, ints([1, 1, 1, 1], [index])], attributes)
      }
    }
  }

  @Test func suppression() throws {
    let boxes = floats([1, 3, 4], [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6])
    let scores = floats([1, 1, 3], [0.9, 0.95, 0.5])
    func run(_ limit: Int, _ overlap: Float, _ score: Float) throws -> [Tensor] {
      try OperatorRunner.run(
        "NonMaxSuppression", [boxes, scores, ints(limit), floats([1], [overlap]), floats([1], [score])])
    }
    #expect(try run(3, 0.5, 0) == [ints([2, 3], [0, 0, 1, 0, 0, 2])])
    #expect(try run(3, 0.9, 0.6) == [ints([2, 3], [0, 0, 1, 0, 0, 0])])
    #expect(try run(0, 0.5, 0) == [ints([0, 3], [])])
  }

  @Test func regions() throws {
    let x = counting([1, 1, 4, 4])
    let pooled = try OperatorRunner.run(
      "MaxRoiPool", [x, floats([1, 5], [0, 0, 0, 3, 3])], ["pooled_shape": .ints([2, 2])])
    #expect(pooled == [floats([1, 1, 2, 2], [5, 7, 13, 15])])
    for region in [[0, 0, 1e30, 1], [0, 0, Float.nan, 1]] {
      #expect(throws: EngineError.self) {
        try OperatorRunner.run("RoiAlign", [x, floats([1, 4], region), ints(0)])
      }
    }
    #expect(throws: EngineError.self) {
      try OperatorRunner.run("RoiAlign", [x, floats([1, 4], [0, 0, 1, 1]), ints(1)])
    }
  }
}
