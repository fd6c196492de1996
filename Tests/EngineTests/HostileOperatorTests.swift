import GraphIR
import Tensors
import Testing

@testable import Engine

/// One node whose inputs or attributes no exporter would write.
struct HostileCase: Sendable, CustomTestStringConvertible {
  let op: OperatorName
  let inputs: [Tensor?]
  let attributes: Attributes
  let testDescription: String

  init(_ op: OperatorName, _ inputs: [Tensor?], _ attributes: Attributes = [:]) {
    self.op = op
    self.inputs = inputs
    self.attributes = attributes
    let texts = inputs.map { tensor in
      guard let tensor else { return "-" }
      return tensor.type == .int64 && tensor.elementCount < 8
        ? "\(tensor.array(of: Int.self))" : "\(tensor.type.name)\(tensor.shape)"
    }
    let names = attributes.entries.map { "\($0.name) \($0.value)" }
    testDescription = "\(op) " + (texts + names).joined(separator: ", ")
  }
}

private let huge = 1 << 40
private let x2 = counting([2])
private let x4 = counting([4])
private let image = counting([1, 2, 4, 4])
private func float(_ value: Float) -> Tensor { floats(.scalar, [value]) }

/// Sizes and places that are refused with an error, whether they are known before the run or not.
@Suite struct HostileOperatorTests {
  /// Results that nobody has memory for, or of negative size.
  static let sizes: [HostileCase] = [
    HostileCase("Expand", [x2, ints(huge, 2)]), HostileCase("Expand", [x2, ints(1 << 62, 1 << 62, 2)]),
    HostileCase("Expand", [x2, ints(-1, 2)]), HostileCase("Expand", [x2, ints(3)]),
    HostileCase("Tile", [x2, ints(huge)]), HostileCase("Tile", [x2, ints(.max)]),
    HostileCase("Tile", [x2, ints(-1)]), HostileCase("Tile", [x2, ints(1, 1)]),
    HostileCase("ConstantOfShape", [ints(huge)]), HostileCase("ConstantOfShape", [ints(1 << 33, 1 << 33)]),
    HostileCase("ConstantOfShape", [ints(-1)]),
    HostileCase("Range", [scalar(0), scalar(.max), scalar(1)]),
    HostileCase("Range", [scalar(.min), scalar(.max), scalar(1)]),
    HostileCase("Range", [scalar(0), scalar(1), scalar(0)]),
    HostileCase("Range", [float(0), float(.infinity), float(1)]),
    HostileCase("Range", [float(0), float(1), float(.nan)]),
    HostileCase("Range", [float(0), float(3e38), float(1e-30)]),
    HostileCase("OneHot", [ints(0, 1), scalar(huge), floats([2], [0, 1])]),
    HostileCase("OneHot", [ints(0, 1), scalar(-1), floats([2], [0, 1])]),
    HostileCase("Pad", [x2, ints(huge, 0)]), HostileCase("Pad", [x2, ints(1 << 62, 1 << 62)]),
    HostileCase("Pad", [x2, ints(.max, .max)]), HostileCase("Pad", [x2, ints(-3, 0)]),
    HostileCase("Pad", [x2, ints(.min, 0)]),
    HostileCase("Pad", [floats([0], []), ints(1, 1)], ["mode": .string("edge")]),
    HostileCase("Pad", [x2, ints(1)]),
    HostileCase("Resize", [image, nil, nil, ints(1, 2, huge, 4)]),
    HostileCase("Resize", [image, nil, nil, ints(1, 2, -4, 4)]),
    HostileCase("Resize", [image, nil, floats([4], [1, 1, 1e30, 1])]),
    HostileCase("Resize", [image, nil, floats([4], [1, 1, .infinity, 1])]),
    HostileCase("Resize", [image, nil, floats([4], [1, 1, .nan, 1])]),
    HostileCase("Resize", [image, nil, floats([4], [1, 1, -1, 1])]),
    HostileCase("Resize", [image, nil, floats([4], [1, 1, 0, 1])]),
    HostileCase("Resize", [image, nil, floats([3], [1, 1, 1])]),
    HostileCase(
      "Resize", [image, floats([8], [0, 0.5, .nan, -1, .infinity, 1, 0.6, 0.8]), nil, ints(1, 2, 3, 3)],
      ["coordinate_transformation_mode": .string("tf_crop_and_resize"), "mode": .string("linear")]),
    HostileCase(
      "Resize", [image, floats([8], [0, 0, 0, 0, 1, 1, .infinity, 1]), nil, ints(1, 2, 3, 3)],
      ["coordinate_transformation_mode": .string("tf_crop_and_resize")]),
    HostileCase("CenterCropPad", [x2, ints(huge)]), HostileCase("CenterCropPad", [x2, ints(-1)]),
    HostileCase("AffineGrid", [counting([1, 2, 3]), ints(1, 1, 1 << 30, 1 << 30)]),
    HostileCase("AffineGrid", [counting([1, 2, 3]), ints(1, 1, -2, 2)]),
    HostileCase("HannWindow", [scalar(huge)]), HostileCase("HannWindow", [scalar(-1)]),
    HostileCase("RandomNormal", [], ["shape": .ints([huge])]),
    HostileCase("RandomNormal", [], ["shape": .ints([-1])]),
    HostileCase("Multinomial", [counting([1, 3])], ["sample_size": .int(huge)]),
    HostileCase("Multinomial", [counting([1, 3])], ["sample_size": .int(-1)]),
    HostileCase("DFT", [counting([1, 4, 1]), scalar(huge)]),
    HostileCase("DFT", [counting([1, 4, 1]), scalar(-1)]),
    HostileCase("DFT", [counting([1, 4, 1]), scalar(0)]),
    HostileCase("DFT", [counting([1, 4, 1]), nil, scalar(7)]),
    HostileCase("STFT", [counting([1, 8, 1]), scalar(0), counting([4])]),
    HostileCase("STFT", [counting([1, 8, 1]), scalar(-1), counting([4])]),
    HostileCase("STFT", [counting([1, 8, 1]), scalar(1), nil, scalar(0)]),
    HostileCase("STFT", [counting([1, 8, 1]), scalar(1), nil, scalar(huge)]),
    HostileCase("Col2Im", [counting([1, 4, 4]), ints(huge, huge), ints(2, 2)]),
    HostileCase("Col2Im", [counting([1, 4, 4]), ints(-3, 3), ints(2, 2)]),
    HostileCase("Col2Im", [counting([1, 4, 4]), ints(3, 3), ints(0, 2)]),
    HostileCase("DepthToSpace", [image], ["blocksize": .int(0)]),
    HostileCase("DepthToSpace", [image], ["blocksize": .int(-1)]),
    HostileCase("DepthToSpace", [image], ["blocksize": .int(.max)]),
    HostileCase("SpaceToDepth", [image], ["blocksize": .int(0)]),
    HostileCase("SpaceToDepth", [image], ["blocksize": .int(.min)]),
    HostileCase("SpaceToDepth", [image], ["blocksize": .int(3)]),
  ]

  /// Shapes and axes that do not fit the inputs.
  static let shapes: [HostileCase] = [
    HostileCase("Reshape", [x4, ints(3, -1)]), HostileCase("Reshape", [x4, ints(-1, -1)]),
    HostileCase("Reshape", [x4, ints(-2)]), HostileCase("Reshape", [x4, ints(1 << 62, 4)]),
    HostileCase("Reshape", [x4, ints(4, 0)]), HostileCase("Reshape", [x4, ints(5)]),
    HostileCase("Reshape", [floats([0], []), ints(0, -1)], ["allowzero": .int(1)]),
    HostileCase("Concat", [x4, x4], ["axis": .int(1)]),
    HostileCase("Concat", [x4, x4], ["axis": .int(.min)]),
    HostileCase("Concat", [counting([1, 2]), counting([1, 3])], ["axis": .int(0)]),
    HostileCase("Transpose", [image], ["perm": .ints([0, 1, 2, 2])]),
    HostileCase("Transpose", [image], ["perm": .ints([0, 1, 2])]),
    HostileCase("Transpose", [image], ["perm": .ints([0, 1, 2, 4])]),
    HostileCase("Transpose", [image], ["perm": .ints([0, 1, 2, -1])]),
    HostileCase("Squeeze", [image, ints(1)]), HostileCase("Squeeze", [image, ints(9)]),
    HostileCase("Unsqueeze", [x4, ints(0, 0)]), HostileCase("Unsqueeze", [x4, ints(.max)]),
    HostileCase("Unsqueeze", [x4, ints(.min)]), HostileCase("Flatten", [x4], ["axis": .int(9)]),
    HostileCase("Slice", [x4, ints(0), ints(4), ints(0), ints(0)]),
    HostileCase("Slice", [x4, ints(0), ints(4), ints(5)]),
    HostileCase("Slice", [x4, ints(0, 0), ints(4, 4), ints(0, 0)]),
    HostileCase("Slice", [x4, ints(0, 0), ints(4)]),
    HostileCase("ReduceSum", [image, ints(4)]), HostileCase("ReduceSum", [image, ints(.min)]),
    HostileCase("ArgMax", [image], ["axis": .int(4)]), HostileCase("CumSum", [x4, scalar(1)]),
    HostileCase("CumSum", [x4, scalar(.min)]), HostileCase("Softmax", [x4], ["axis": .int(1)]),
    HostileCase("Compress", [x4, bools(true)], ["axis": .int(1)]),
    HostileCase("Unique", [x4], ["axis": .int(3)]),
    HostileCase("Einsum", [image], ["equation": .string("ij->q")]),
    HostileCase("Einsum", [image], ["equation": .string("")]),
    HostileCase("Einsum", [image], ["equation": .string("...,...->...")]),
    HostileCase("LayerNormalization", [x4, x4], ["axis": .int(3)]),
    HostileCase("GroupNormalization", [image, x2, x2], ["num_groups": .int(0)]),
    HostileCase("GroupNormalization", [image, x2, x2], ["num_groups": .int(3)]),
    HostileCase("GroupNormalization", [image, x2, x2], ["num_groups": .int(-1)]),
    HostileCase("LRN", [image], ["size": .int(0)]), HostileCase("LRN", [image], ["size": .int(-3)]),
    HostileCase("Trilu", [x4]), HostileCase("MatMul", [x4, counting([5])]),
    HostileCase("MatMul", [float(1), float(2)]), HostileCase("Gemm", [counting([2, 3]), counting([2, 3])]),
    HostileCase("Add", [x4, counting([5])]), HostileCase("PRelu", [x4, counting([2, 4])]),
    HostileCase("QuantizeLinear", [x4, floats([4], [1, 1, 1, 1])], ["axis": .int(7)]),
    HostileCase("QuantizeLinear", [x4, x2], ["axis": .int(0), "block_size": .int(-2)]),
    HostileCase(
      "DequantizeLinear", [try! Tensor(shape: [4], [Int8](repeating: 1, count: 4)), counting([3])]),
    HostileCase("Gelu", [x4], ["approximate": .string("guess")]),
    HostileCase("Relu", [x4], ["alpha": .float(1)]),
    HostileCase("BitShift", [x4, x4], ["direction": .string("UP")]),
  ]

  /// Windows of no or negative size, and groups that do not divide the channels.
  static let windows: [HostileCase] =
    ["Conv", "ConvTranspose"].flatMap { op -> [HostileCase] in
      let weight = counting([2, 2, 3, 3])
      let attributes: [Attributes] = [
        ["strides": .ints([0, 1])], ["strides": .ints([-1, 1])], ["strides": .ints([1])],
        ["dilations": .ints([0, 1])], ["dilations": .ints([-1, 1])], ["dilations": .ints([.max, 1])],
        ["kernel_shape": .ints([0, 3])], ["kernel_shape": .ints([5, 5])], ["kernel_shape": .ints([-3, 3])],
        ["group": .int(0)], ["group": .int(-1)], ["group": .int(3)], ["group": .int(.max)],
        ["pads": .ints([.max, 0, .max, 0])], ["pads": .ints([1, 1])], ["auto_pad": .string("MAYBE")],
      ]
      return attributes.map { HostileCase(OperatorName(type: op), [image, weight], $0) }
    }
    + ["MaxPool", "AveragePool", "LpPool"].flatMap { op -> [HostileCase] in
      let attributes: [Attributes] = [
        ["kernel_shape": .ints([0, 2])], ["kernel_shape": .ints([-2, 2])], ["kernel_shape": .ints([2])], [:],
        ["kernel_shape": .ints([.max, 2])], ["kernel_shape": .ints([9, 9])],
        ["kernel_shape": .ints([2, 2]), "strides": .ints([0, 1])],
        ["kernel_shape": .ints([2, 2]), "strides": .ints([-1, 1])],
        ["kernel_shape": .ints([2, 2]), "dilations": .ints([0, 1])],
        ["kernel_shape": .ints([2, 2]), "pads": .ints([.max, 0, 0, 0])],
        ["kernel_shape": .ints([2, 2]), "pads": .ints([-9, 0, 0, 0])],
      ]
      return attributes.map { HostileCase(OperatorName(type: op), [image], $0) }
    } + [
      HostileCase("ConvTranspose", [image, counting([2, 2, 3, 3]), counting([1])]),
      HostileCase("Conv", [image, counting([2, 2, 3, 3]), counting([1])]), HostileCase("Conv", [x4, x4]),
      HostileCase("Conv", [image, counting([2, 2, 0, 3])]),
      HostileCase("ConvTranspose", [image, counting([2, 2, 3, 3])], ["output_shape": .ints([huge, 4])]),
      HostileCase("ConvTranspose", [image, counting([2, 2, 3, 3])], ["output_padding": .ints([-9, 0])]),
      HostileCase("MaxRoiPool", [image, counting([1, 5])], ["pooled_shape": .ints([0, 1])]),
      HostileCase(
        "MaxRoiPool", [image, floats([1, 5], [7, 0, 0, 1, 1])], ["pooled_shape": .ints([1, 1])]),
      HostileCase("RoiAlign", [image, counting([1, 4]), ints(9)]),
      HostileCase("RoiAlign", [image, counting([1, 4]), ints(0)], ["output_height": .int(1 << 50)]),
      HostileCase("RoiAlign", [image, counting([1, 4]), ints(0)], ["sampling_ratio": .int(-1)]),
      HostileCase("GlobalLpPool", [x4]), HostileCase("GridSample", [image, counting([1, 2, 2, 3])]),
    ]

  /// Elements that say where to read or write, and point elsewhere.
  static let places: [HostileCase] = [
    HostileCase("Gather", [x4, ints(4)]), HostileCase("Gather", [x4, ints(-5)]),
    HostileCase("Gather", [x4, ints(.min)]), HostileCase("Gather", [x4, ints(0)], ["axis": .int(1)]),
    HostileCase("Gather", [floats([0], []), ints(0)]),
    HostileCase("GatherElements", [x4, ints(4)]), HostileCase("GatherElements", [x4, ints(.max)]),
    HostileCase("GatherND", [x4, ints([1, 1], [4])]), HostileCase("GatherND", [x4, ints([1, 1], [-5])]),
    HostileCase("GatherND", [x4, ints([1, 2], [0, 0])]),
    HostileCase("GatherND", [x4, ints([1, 1], [0])], ["batch_dims": .int(-1)]),
    HostileCase("ScatterElements", [x4, ints(4), floats([1], [1])]),
    HostileCase("ScatterElements", [x4, ints(-5), floats([1], [1])]),
    HostileCase("ScatterElements", [x4, ints(0, 1), floats([1], [1])]),
    HostileCase("ScatterElements", [x4, ints(0), floats([1], [1])], ["reduction": .string("sub")]),
    HostileCase("ScatterND", [x4, ints([1, 1], [4]), floats([1], [1])]),
    HostileCase("ScatterND", [x4, ints([1, 1], [.min]), floats([1], [1])]),
    HostileCase("ScatterND", [x4, ints([1, 1], [0]), floats([2], [1, 2])]),
    HostileCase("ScatterND", [x4, ints([1, 2], [0, 0]), floats([1], [1])]),
    HostileCase("TopK", [x4, ints(5)]), HostileCase("TopK", [x4, ints(-1)]),
    HostileCase("TopK", [x4, ints(.max)]),
    HostileCase("TopK", [x4, ints(1)], ["axis": .int(1)]),
    HostileCase("Split", [x4, ints(1, 1)]), HostileCase("Split", [x4, ints(5, -1)]),
    HostileCase("Split", [x4, ints(.max, .max)]), HostileCase("Split", [x4], ["num_outputs": .int(0)]),
    HostileCase("Split", [x4], ["num_outputs": .int(-1)]),
    HostileCase("ReverseSequence", [counting([2, 2]), ints(3, 1)]),
    HostileCase("ReverseSequence", [counting([2, 2]), ints(-1, 1)]),
    HostileCase("ReverseSequence", [counting([2, 2]), ints(1)]),
    HostileCase(
      "MaxUnpool", [counting([1, 1, 2, 2]), ints([1, 1, 2, 2], [0, 1, 2, 99])],
      ["kernel_shape": .ints([2, 2])]),
    HostileCase("NegativeLogLikelihoodLoss", [counting([2, 3]), ints(0, 3)]),
    HostileCase("TensorScatter", [counting([3, 4, 2]), counting([3, 1, 2]), ints(0, 1)]),
    HostileCase("TensorScatter", [counting([1, 4, 2]), counting([1, 1, 2]), ints(4)]),
    HostileCase("TensorScatter", [counting([1, 4, 2]), counting([1, 1, 2]), ints(.max)]),
    HostileCase("TensorScatter", [counting([1, 4, 2]), counting([1, 1, 2]), ints(-1)]),
    HostileCase(
      "RotaryEmbedding", [counting([1, 1, 1, 4]), counting([3, 2]), counting([1, 2]), ints([1, 1], [2])]),
    HostileCase(
      "RotaryEmbedding", [counting([1, 1, 1, 4]), counting([3, 2]), counting([3, 2]), ints([1, 1], [3])]),
    HostileCase(
      "DeformConv",
      [counting([2, 1, 3, 3]), counting([1, 1, 2, 2]), counting([1, 8, 2, 2])],
      ["kernel_shape": .ints([2, 2])]),
    HostileCase("EyeLike", [x4]),
    HostileCase(
      "RNN", [counting([1, 1, 2]), counting([1, 3, 2]), counting([1, 3, 3])], ["hidden_size": .int(0)]),
    HostileCase(
      "LSTM", [counting([1, 1, 2]), counting([1, 3, 2]), counting([1, 3, 3])], ["hidden_size": .int(3)]),
    HostileCase(
      "GRU", [counting([1, 1, 2]), counting([1, 3, 2]), counting([1, 3, 1])], ["hidden_size": .int(-1)]),
  ]

  @Test(arguments: sizes + shapes + windows + places) func isRefused(_ row: HostileCase) {
    let outputs = row.op == "TopK" || row.op == "Split" ? 2 : 1
    for constants in [[], Set(row.inputs.indices)] {
      // An `EngineError`, which names the node: not what the operator or a tensor threw, and no result.
      #expect(throws: EngineError.self, "constants: \(!constants.isEmpty)") {
        try OperatorRunner.run(row.op, row.inputs, outputs: outputs, row.attributes, constants: constants)
      }
    }
  }

  /// Extreme operands that have a defined result.
  static let defined: [(HostileCase, Tensor)] = [
    (HostileCase("Div", [ints(.min, 7, 0), ints(-1, 0, 0)]), ints(.min, 0, 0)),
    (HostileCase("Mod", [ints(.min, 7, -7), ints(-1, 0, 0)]), ints(0, 0, 0)),
    (HostileCase("Mod", [ints(.min, 7, -7), ints(-1, 0, 0)], ["fmod": .int(1)]), ints(0, 0, 0)),
    (HostileCase("Neg", [ints(.min)]), ints(.min)), (HostileCase("Abs", [ints(.min)]), ints(.min)),
    (
      HostileCase("Pow", [ints(2, 3, 1, -1, 5), ints(64, 41, .max, .max, 0)]),
      // By way of float64, so limited to the range and not wrapped around.
      ints(.max, .max, 1, 1, 1)
    ),
    (HostileCase("Slice", [x4, ints(.min), ints(.max)]), x4),
    (HostileCase("Slice", [x4, ints(.max), ints(.min), ints(0), ints(-1)]), floats([4], [3, 2, 1, 0])),
    (HostileCase("Slice", [x4, ints(0), ints(.max), ints(0), ints(.max)]), floats([1], [0])),
    (HostileCase("Slice", [x4, ints(.max), ints(.min), ints(0), ints(.min)]), floats([1], [3])),
    (HostileCase("Range", [scalar(0), scalar(.min), scalar(1)]), ints([0], [])),
    (HostileCase("Range", [scalar(0), scalar(.max), scalar(.max)]), ints(0)),
    (HostileCase("Trilu", [counting([2, 2]), scalar(.max)], ["upper": .int(0)]), counting([2, 2])),
    (HostileCase("Trilu", [counting([2, 2]), scalar(.min)]), counting([2, 2])),
    (
      HostileCase("Cast", [floats([4], [.nan, .infinity, -.infinity, 1e30])], ["to": .int(7)]),
      ints(0, .max, .min, .max)
    ),
    (
      HostileCase("Pad", [x2, ints(5, 0)], ["mode": .string("reflect")]), floats([7], [1, 0, 1, 0, 1, 0, 1])
    ),
    (HostileCase("Tile", [x2, ints(0)]), floats([0], [])),
    (HostileCase("Expand", [floats([1], [1]), ints(0)]), floats([0], [])),
    (HostileCase("TopK", [x4, ints(0)]), floats([0], [])),
    (HostileCase("CumSum", [ints(.max, 1), scalar(0)]), ints(.max, .min)),
    (HostileCase("ReduceSum", [ints(.max, 1), ints(0)], ["keepdims": .int(0)]), scalar(.min)),
    (HostileCase("ReduceProd", [ints(.max, 2), ints(0)], ["keepdims": .int(0)]), scalar(-2)),
    (HostileCase("MatMul", [ints([1, 2], [.max, 1]), ints([2, 1], [1, 1])]), ints([1, 1], [.min])),
  ]

  @Test(arguments: defined.indices) func isDefined(_ index: Int) throws {
    let (row, expected) = Self.defined[index]
    for constants in [[], Set(row.inputs.indices)] {
      let outputs = row.op == "TopK" ? 2 : 1
      let result = try OperatorRunner.run(
        row.op, row.inputs, outputs: outputs, row.attributes, constants: constants)
      #expect(result[0] == expected, "\(row.testDescription)")
    }
  }

  @Test func shiftsByTheWidthAndMoreGiveZero() throws {
    let x = try Tensor(shape: [3], [UInt8](repeating: 255, count: 3))
    let by = try Tensor(shape: [3], [7, 8, 255] as [UInt8])
    for (direction, expected) in [("LEFT", [128, 0, 0]), ("RIGHT", [1, 0, 0])] as [(String, [UInt8])] {
      let result = try OperatorRunner.run("BitShift", [x, by], ["direction": .string(direction)])
      #expect(result[0].array(of: UInt8.self) == expected)
    }
  }
}
