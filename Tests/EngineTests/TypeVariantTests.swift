import Engine
import GraphIR
import Tensors
import Testing

/// Element types that operators take besides float32, and operands that are known only when the model runs.
@Suite struct TypeVariantTests {
  private static func typed<Element: TensorElement>(_ shape: Shape, _ values: [Element]) -> Tensor {
    try! Tensor(shape: shape, values)
  }

  private static func halves(_ values: Float16...) -> Tensor { typed([values.count], values) }
  private static func doubles(_ values: Double...) -> Tensor { typed([values.count], values) }
  private static func texts(_ values: String...) -> Tensor {
    try! Tensor(shape: [values.count], strings: values)
  }

  static let types: [OperatorCase] = [
    // Floats of different widths beside each other.
    OperatorCase(
      "BatchNormalization",
      [floats([1, 1, 2], [4, 8]), floats([1], [2]), floats([1], [1]), halves(2), halves(1)],
      floats([1, 1, 2], [5, 13]), ["epsilon": .float(0)]),
    OperatorCase(
      "BatchNormalization",
      [typed([1, 1, 2], [4.0, 8.0]), floats([1], [2]), floats([1], [1]), doubles(2), doubles(1)],
      typed([1, 1, 2], [5.0, 13.0]), ["epsilon": .float(0)]),
    OperatorCase("Pow", [floats([2], [2, 3]), halves(3, 2)], floats([2], [8, 9])),
    OperatorCase("Pow", [halves(2, 3), floats([2], [3, 2])], halves(8, 9)),
    OperatorCase(
      "GridSample", [floats([1, 1, 1, 2], [1, 3]), typed([1, 1, 1, 2], [0, 0] as [Float16])],
      floats([1, 1, 1, 1], [2])),
    OperatorCase(
      "GridSample", [typed([1, 1, 1, 2], [1, 3] as [Int32]), floats([1, 1, 1, 2], [0, 0])],
      typed([1, 1, 1, 1], [2] as [Int32])),
    OperatorCase(
      "QLinearMatMul",
      [
        typed([1, 2], [3, 4] as [UInt8]), typed([], [0.5 as Float16]), typed([], [1 as UInt8]),
        typed([2, 1], [2, 4] as [UInt8]), typed([], [0.5 as Float16]), typed([], [0 as UInt8]),
        typed([], [1 as Float16]), typed([], [10 as UInt8]),
      ], typed([1, 1], [14] as [UInt8])),
    // Integers.
    OperatorCase(
      "Shrink", [typed([4], [-3, 0, 1, 4] as [Int8])], typed([4], [-2, 0, 0, 3] as [Int8]),
      ["lambd": .float(1.5), "bias": .float(1)]),
    OperatorCase("Erf", [typed([3], [-9, 0, 9] as [Int32])], typed([3], [-1, 0, 1] as [Int32])),
    OperatorCase(
      "HannWindow", [scalar(4)], typed([4], [0, 0, 1, 0] as [UInt8]), ["output_datatype": .int(2)]),
    OperatorCase("Cast", [texts("100.5", "-7")], typed([2], [100, -7] as [Int32]), ["to": .int(6)]),
    OperatorCase("Cast", [try! Tensor(type: .bfloat16, shape: [1])], texts("0.0"), ["to": .int(8)]),
    // Strings.
    OperatorCase("Pad", [texts("a", "b"), ints(1, 1)], texts("", "a", "b", "")),
    OperatorCase(
      "Pad", [texts("a", "b"), ints(1, 1)], texts("b", "a", "b", "a"), ["mode": .string("reflect")]),
    OperatorCase(
      "OneHot", [ints(1, 0), scalar(2), texts("no", "yes")],
      try! Tensor(
        shape: [2, 2], strings: ["no", "yes", "yes", "no"])),
    OperatorCase(
      "OneHot", [halves(1), scalar(2), typed([2], [0, 1] as [Int8])], typed([1, 2], [0, 1] as [Int8])),
    OperatorCase("Unique", [halves(3, 1, 3)], halves(1, 3)),
    // What is not a number stays so.
    OperatorCase("HardSigmoid", [doubles(.nan, 9)], doubles(.nan, 1)),
    // Backwards from before the axis: its first element.
    OperatorCase(
      "Slice", [floats([3], [1, 2, 3]), ints(-9), ints(-9), ints(0), ints(-1)], floats([1], [1])),
  ]

  @Test(arguments: types) func computes(_ row: OperatorCase) throws {
    let output = try OperatorRunner.run(row.op, row.inputs, row.attributes)[0]
    #expect(output.type == row.expected.type && output.shape == row.expected.shape)
    #expect(output == row.expected || Self.isSame(output, row.expected), "\(output)")
  }

  private static func isSame(_ left: Tensor, _ right: Tensor) -> Bool {
    guard left.type == .float64 else { return false }
    return zip(left.array(of: Double.self), right.array(of: Double.self)).allSatisfy {
      $0 == $1 || ($0.isNaN && $1.isNaN)
    }
  }

  /// The shape of the output follows without the second input, or from its shape alone; the computation needs it.
  static let lateInputs: [OperatorCase] = [
    OperatorCase("ReduceSum", [floats([2], [1, 2]), ints(0)], floats([], [3]), ["keepdims": .int(0)]),
    OperatorCase("ReduceMax", [floats([], [4]), ints([0], [])], floats([], [4])),
    OperatorCase("Split", [floats([2], [1, 2]), ints(2)], floats([2], [1, 2])),
    OperatorCase("Pad", [floats([0, 1], []), ints(0, 0, 0, 0)], floats([0, 1], [])),
  ]

  @Test(arguments: lateInputs) func inputsKnownOnlyInTheRun(_ row: OperatorCase) throws {
    #expect(try OperatorRunner.run(row.op, row.inputs, row.attributes) == [row.expected])
  }

  /// Exact integer convolution over three axes, with padding that stands for the zero point.
  @Test func volumetricIntegerConvolution() throws {
    let volume = Self.typed([1, 1, 2, 2, 2], (1...8).map { UInt8($0) })
    let ones = Self.typed([1, 1, 2, 2, 2], [UInt8](repeating: 1, count: 8))
    let pads: Attributes = ["pads": .ints([1, 0, 0, 0, 0, 0])]
    let sums = try OperatorRunner.run(
      "ConvInteger", [volume, ones, Self.typed([], [1 as UInt8])], pads, threads: 2)
    #expect(sums == [Self.typed([1, 1, 2, 1, 1], [6, 28] as [Int32])])
    let half = Self.typed([], [0.5 as Float])
    let zero = Self.typed([], [0 as UInt8])
    let quantized = try OperatorRunner.run(
      "QLinearConv", [volume, half, Self.typed([], [1 as UInt8]), ones, half, zero, half, zero], pads)
    #expect(quantized == [Self.typed([1, 1, 2, 1, 1], [3, 14] as [UInt8])])
  }
}
