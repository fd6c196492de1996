import Engine
import GraphIR
import Tensors
import Testing

@Suite struct ResizeTests {
  private let image = floats([1, 1, 2, 2], [1, 2, 3, 4])

  @Test func nearestDoubles() throws {
    let scales = floats([4], [1, 1, 2, 2])
    let result = try OperatorRunner.run("Resize", [image, nil, scales], constants: [2])
    #expect(result == [floats([1, 1, 4, 4], [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])])
  }

  /// Half-pixel centres: positions -0.25, 0.25, 0.75, 1.25 on each axis.
  @Test func linearDoubles() throws {
    let sizes = ints(4, 4)
    let result = try OperatorRunner.run(
      "Resize", [image, nil, nil, sizes], ["mode": .string("linear"), "axes": .ints([2, 3])], constants: [3])
    #expect(
      result[0].array(of: Float.self) == [
        1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4,
      ])
  }

  @Test func alignedCornersKeepTheCorners() throws {
    let result = try OperatorRunner.run(
      "Resize", [floats([2], [0, 10]), nil, nil, ints(5)],
      ["mode": .string("linear"), "coordinate_transformation_mode": .string("align_corners")])
    #expect(result == [floats([5], [0, 2.5, 5, 7.5, 10])])
  }

  /// Cubic interpolation reproduces a constant and, away from the edges, a straight line.
  @Test func cubicKeepsLines() throws {
    let line = floats([9], (0..<9).map { Float($0) * 2 })
    let attributes: Attributes = [
      "mode": .string("cubic"), "coordinate_transformation_mode": .string("asymmetric"),
    ]
    let result = try OperatorRunner.run("Resize", [line, nil, floats([1], [2])], attributes)[0]
    let values = result.array(of: Float.self)
    for position in 4..<12 { #expect(abs(values[position] - Float(position)) < 1e-5) }
  }

  @Test func antialiasingAverages() throws {
    let result = try OperatorRunner.run(
      "Resize", [floats([8], [0, 1, 0, 1, 0, 1, 0, 1]), nil, nil, ints(2)],
      ["mode": .string("linear"), "antialias": .int(1)])[0]
    for value in result.array(of: Float.self) { #expect(abs(value - 0.5) < 0.1) }
  }

  @Test func croppingExtrapolates() throws {
    let roi = floats([2], [0, 2])
    let result = try OperatorRunner.run(
      "Resize", [floats([3], [1, 2, 3]), roi, nil, ints(3)],
      [
        "mode": .string("linear"), "coordinate_transformation_mode": .string("tf_crop_and_resize"),
        "extrapolation_value": .float(-7),
      ])
    #expect(result == [floats([3], [1, 3, -7])])
  }

  @Test func bytesAreInterpolatedToo() throws {
    let image = try Tensor(shape: [2], [UInt8(0), 200])
    let result = try OperatorRunner.run(
      "Resize", [image, nil, nil, ints(4)], ["mode": .string("linear")])
    #expect(result == [try Tensor(shape: [4], [UInt8(0), 50, 150, 200])])
  }

  @Test func anEmptyInputIsAnError() throws {
    #expect(throws: EngineError.self) {
      try OperatorRunner.run("Resize", [floats([0], []), nil, nil, ints(3)])
    }
  }
}
