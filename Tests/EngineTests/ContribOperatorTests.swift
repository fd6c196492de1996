import GraphIR
import Tensors
import Testing

@testable import Engine

private func bytes(_ shape: Shape, _ values: [UInt8]) -> Tensor { try! Tensor(shape: shape, values) }
private func number(_ value: Float) -> Tensor { try! Tensor(scalar: value) }
private func byte(_ value: UInt8) -> Tensor { try! Tensor(scalar: value) }
private func narrow(_ values: [Int32]) -> Tensor { try! Tensor(shape: [values.count], values) }

/// Operators of com.microsoft and of the experimental set. scripts/compare_contrib.py compares all of them, with
/// random inputs, with onnxruntime.
@Suite struct ContribOperatorTests {
  static let cases: [OperatorCase] = [
    OperatorCase(
      "rounds to even", "com.microsoft.QLinearAdd",
      [
        bytes([3], [10, 20, 255]), number(0.5), byte(10), bytes([3], [4, 5, 255]), number(1), byte(4),
        number(1), byte(1),
      ], bytes([3], [1, 7, 255])),
    OperatorCase(
      "scales", "com.microsoft.QLinearMul",
      [
        bytes([2], [4, 6]), number(0.5), byte(0), bytes([2], [8, 10]), number(0.5), byte(0), number(2),
        byte(3),
      ], bytes([2], [7, 11])),
    OperatorCase(
      "below zero", "com.microsoft.QLinearLeakyRelu",
      [bytes([2], [0, 20]), number(1), byte(10), number(1), byte(10)], bytes([2], [5, 20]),
      ["alpha": .float(0.5)]),
    OperatorCase(
      "two scales", "com.microsoft.QLinearConcat",
      [
        number(1), byte(0), bytes([1], [4]), number(0.5), byte(0), bytes([2], [4, 5]), number(2), byte(1),
      ], bytes([3], [2, 6, 8]), ["axis": .int(0)]),
    OperatorCase(
      "channels last", "com.microsoft.QLinearGlobalAveragePool",
      [bytes([1, 2, 1, 2], [2, 10, 4, 30]), number(1), byte(0), number(1), byte(0)],
      bytes([1, 1, 1, 2], [3, 20]), ["channels_last": .int(1)]),
    OperatorCase(
      "with a bias", "com.microsoft.QGemm",
      [
        bytes([1, 2], [11, 12]), number(0.5), byte(10), bytes([2, 1], [3, 4]), number(2), byte(1),
        narrow([5]),
      ], floats([1, 1], [13])),
    OperatorCase(
      "columns of their own", "com.microsoft.DynamicQuantizeMatMul",
      [
        floats([1, 2], [0, 255]), bytes([2, 2], [1, 2, 3, 4]), floats([2], [1, 0.5]), nil,
        floats([2], [1, 2]),
      ], floats([1, 2], [766, 512])),
    OperatorCase(
      "integers", "com.microsoft.MatMulIntegerToFloat",
      [bytes([1, 2], [3, 4]), bytes([2, 1], [5, 6]), number(0.5), number(0.25), byte(1), byte(2)],
      floats([1, 1], [2.25])),
    OperatorCase(
      "transposed and scaled", "com.microsoft.FusedMatMul",
      [floats([2, 1], [1, 2]), floats([1, 2], [3, 4])], floats([1, 1], [5.5]),
      ["transA": .int(1), "transB": .int(1), "alpha": .float(0.5)]),
    OperatorCase(
      "rows on the first axis", "com.microsoft.FusedMatMul",
      [floats([2, 1, 2], [1, 2, 3, 4]), floats([1, 2, 1], [1, 10])], floats([1, 2, 1], [21, 43]),
      ["transBatchA": .int(1)]),
    OperatorCase(
      "activation", "com.microsoft.FusedGemm",
      [floats([1, 2], [1, -2]), floats([2, 2], [1, 0, 0, 1]), floats([2], [0, 1])],
      floats([1, 2], [1, -0.5]),
      ["activation": .string("LeakyRelu"), "activation_alpha": .float(0.5)]),
    OperatorCase(
      "sum and activation", "com.microsoft.FusedConv",
      [
        floats([1, 1, 2], [1, 2]), floats([1, 1, 1], [2]), floats([1], [-1]), floats([1, 1, 2], [-3, 4]),
      ], floats([1, 1, 2], [0, 6]), ["activation": .string("Clip"), "activation_params": .floats([0, 6])]),
    OperatorCase("at zero", "com.microsoft.QuickGelu", [floats([2], [0, 100])], floats([2], [0, 100])),
    OperatorCase(
      "bias", "com.microsoft.BiasSplitGelu", [floats([1, 1, 2], [3, 40]), floats([2], [-1, 10])],
      floats([1, 1, 1], [100])),
    OperatorCase(
      "rows of two axes", "com.microsoft.BiasSoftmax",
      [floats([1, 2, 2], [0, 0, 0, 0]), floats([2], [0, 0])],
      floats([1, 2, 2], [0.25, 0.25, 0.25, 0.25]), ["axis": .int(1), "is_inner_broadcast": .int(0)]),
    OperatorCase(
      "bias counts", "com.microsoft.SkipLayerNormalization",
      [
        floats([1, 2], [1, 1]), floats([1, 2], [0, 1]), floats([2], [1, 1]), floats([2], [0, 5]),
        floats([2], [0, 1]),
      ], floats([1, 2], [-1, 6])),
    OperatorCase(
      "root mean square", "SimplifiedLayerNormalization", [floats([1, 2], [3, 4]), floats([2], [1, 2])],
      floats([1, 2], [0.848528, 2.262742]), ["epsilon": .float(0), "axis": .int(-1)]),
    OperatorCase(
      "equal keys", "com.microsoft.MultiHeadAttention",
      [
        floats([1, 1, 2], [1, 2]), floats([1, 2, 2], [0, 0, 0, 0]), floats([1, 2, 2], [1, 2, 3, 4]), nil,
        try! Tensor(shape: [1, 2], [Int32(1), 1]),
      ], floats([1, 1, 2], [2, 3]), ["num_heads": .int(2)]),
    OperatorCase(
      "a hidden key", "com.microsoft.MultiHeadAttention",
      [
        floats([1, 1, 2], [1, 2]), floats([1, 2, 2], [0, 0, 0, 0]), floats([1, 2, 2], [1, 2, 3, 4]), nil,
        narrow([1]),
      ], floats([1, 1, 2], [1, 2]), ["num_heads": .int(1)]),
    OperatorCase(
      "a window of one", "com.microsoft.GroupQueryAttention",
      [
        floats([1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), floats([1, 2, 2], [1, 1, 1, 1]),
        floats([1, 2, 2], [1, 2, 3, 4]), nil, nil, narrow([1]), try! Tensor(scalar: Int32(2)),
      ], floats([1, 2, 4], [1, 2, 1, 2, 3, 4, 3, 4]),
      ["num_heads": .int(2), "kv_num_heads": .int(1), "local_window_size": .int(1)]),
    OperatorCase(
      "a quarter turn", "com.microsoft.RotaryEmbedding",
      [
        floats([1, 1, 1, 2], [3, 4]), ints([1], [1]), floats([2, 1], [1, 0]), floats([2, 1], [0, 1]),
      ], floats([1, 1, 1, 2], [-4, 3])),
    OperatorCase(
      "four bits", "com.microsoft.MatMulNBits",
      [
        floats([1, 16], [1, 2] + [Float](repeating: 0, count: 14)),
        bytes([1, 1, 8], [0x9A] + [UInt8](repeating: 0, count: 7)), floats([1, 1], [0.5]),
      ], floats([1, 1], [2]),
      ["K": .int(16), "N": .int(1), "bits": .int(4), "block_size": .int(16)]),
    OperatorCase(
      "two bits, zero points, bias", "com.microsoft.MatMulNBits",
      [
        floats([1, 17], [Float](repeating: 1, count: 17)),
        bytes([1, 2, 4], [0b11_10_01_00, 0, 0, 0, 3, 0, 0, 0]), floats([2], [1, 10]), bytes([1], [0b10_01]),
        nil, floats([1], [100]),
      ], floats([1, 1], [100]),
      ["K": .int(17), "N": .int(1), "bits": .int(2), "block_size": .int(16)]),
    OperatorCase(
      "eight bits", "com.microsoft.GatherBlockQuantized",
      [
        bytes([2, 16], [UInt8](repeating: 128, count: 16) + [UInt8](repeating: 130, count: 16)),
        ints([1], [-1]), floats([2, 1], [1, 0.5]),
      ], floats([1, 16], [Float](repeating: 1, count: 16)), ["bits": .int(8), "block_size": .int(16)]),
    OperatorCase(
      "an index beyond the table", "com.microsoft.GatherBlockQuantized",
      [bytes([1, 16], [UInt8](repeating: 1, count: 16)), ints([1], [7]), floats([1, 1], [1])],
      floats([1, 16], [Float](repeating: 0, count: 16)), ["bits": .int(8), "block_size": .int(16)]),
    OperatorCase(
      "squares", "com.microsoft.CDist", [floats([1, 2], [0, 0]), floats([2, 2], [3, 4, 1, 0])],
      floats([1, 2], [25, 1])),
    OperatorCase(
      "rows change places", "com.microsoft.Inverse", [floats([2, 2], [0, 2, 4, 0])],
      floats([2, 2], [0, 0.25, 0.5, 0])),
    OperatorCase(
      "one middle", "com.microsoft.CropAndResize",
      [
        floats([1, 1, 3, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8]), floats([1, 4], [0, 0, 1, 1]), narrow([0]),
        narrow([1, 1]),
      ], floats([1, 1, 1, 1], [4])),
    OperatorCase(
      "a pair", "com.microsoft.NGramRepeatBlock", [ints([1, 3], [1, 2, 1]), floats([1, 3], [1, 2, 3])],
      floats([1, 3], [1, 2, -.infinity]), ["ngram_size": .int(2)]),
    OperatorCase(
      "channels", "ImageScaler", [floats([1, 2, 1, 1], [2, 4])], floats([1, 2, 1, 1], [2, 4]),
      ["scale": .float(0.5), "bias": .floats([1, 2])]),
    OperatorCase(
      "borders", "Crop", [counting([1, 1, 3, 4])], floats([1, 1, 1, 2], [5, 6]),
      ["border": .ints([1, 1, 1, 1])]),
    OperatorCase(
      "order of the input", "com.microsoft.Unique", [floats([4], [2, 1, 1, 3])], floats([3], [2, 1, 3])),
  ]

  @Test(arguments: cases) func computes(_ item: OperatorCase) throws {
    // Weights must be constants for some operators, and may be for all.
    for constants in [Set(item.inputs.indices.dropFirst()), []] {
      let result = try OperatorRunner.run(item.op, item.inputs, item.attributes, constants: constants)[0]
      #expect(result.shape == item.expected.shape)
      #expect(result.type == item.expected.type)
      if item.expected.type == .float32 {
        let (ours, theirs) = (result.array(of: Float.self), item.expected.array(of: Float.self))
        let isEqual = zip(ours, theirs).allSatisfy { $0 == $1 || abs($0 - $1) <= 1e-5 * max(1, abs($1)) }
        #expect(isEqual, "\(ours) for \(theirs)")
      } else {
        let isEqual = result == item.expected
        #expect(isEqual)
      }
    }
  }

  @Test func hashesAsMurmur3() throws {
    // Of the reference implementation, for "" and "test" with seed 0.
    let strings = try Tensor(shape: [2], strings: ["", "test"])
    let hashes = try OperatorRunner.run("com.microsoft.MurmurHash3", [strings])[0].array(of: UInt32.self)
    #expect(hashes == [0, 0xba6b_d213])
  }

  @Test func dynamicQuantizedLSTMFollowsItsWeights() throws {
    // Weights that are whole multiples of their scale: the result is that of the float operator but for the rounding
    // of inputs and states.
    var numbers = NumberSequence(seed: 3)
    let x = try numbers.tensor([3, 2, 4])
    let (w, r) = (try numbers.bytes([1, 4, 12]), try numbers.bytes([1, 3, 12]))
    let scale = floats([1], [0.004])
    let zero = try Tensor(shape: [1], [Int8(0)])
    let quantized = try OperatorRunner.run(
      "com.microsoft.DynamicQuantizeLSTM", [x, w, r, nil, nil, nil, nil, nil, scale, zero, scale, zero],
      outputs: 3, ["hidden_size": .int(3)], constants: [1, 2, 8, 9, 10, 11])
    func floatWeights(_ tensor: Tensor) -> Tensor {
      let (rows, columns) = (tensor.shape[1], tensor.shape[2])
      let values = tensor.array(of: Int8.self)
      return floats(
        [1, columns, rows],
        (0..<columns).flatMap { column in (0..<rows).map { Float(values[$0 * columns + column]) * 0.004 } })
    }
    let exact = try OperatorRunner.run(
      "LSTM", [x, floatWeights(w), floatWeights(r)], outputs: 3, ["hidden_size": .int(3)])
    for (ours, theirs) in zip(quantized, exact) {
      #expect(ours.shape == theirs.shape)
      let difference = zip(ours.array(of: Float.self), theirs.array(of: Float.self)).map { abs($0 - $1) }
        .max()
      #expect(try #require(difference) < 0.02)
    }
  }

  /// What has no equal is refused by name when the model is compiled.
  @Test(
    arguments: [
      ("com.microsoft.FusedGemm", ["activation": .string("Frobnicate")], "activation 'Frobnicate'"),
      (
        "com.microsoft.MatMulNBits",
        ["K": .int(16), "N": .int(1), "bits": .int(3), "block_size": .int(16)], "weights of 3 bits"
      ),
      (
        "com.microsoft.MatMulNBits",
        ["K": .int(1 << 40), "N": .int(1 << 40), "block_size": .int(16)], "attributes 'K' and 'N'"
      ),
      ("com.microsoft.FusedGemm", ["gamma": .int(1)], "attribute 'gamma' does not belong"),
    ] as [(String, Attributes, String)])
  func refuses(_ op: String, _ attributes: Attributes, _ reason: String) {
    let error = #expect(throws: EngineError.self) {
      try OperatorRunner.run(
        OperatorName(stringLiteral: op),
        [floats([1, 16], [Float](repeating: 0, count: 16)), counting([16, 16]), counting([16])],
        attributes)
    }
    #expect(error?.description.contains(reason) ?? false)
    #expect(error?.description.contains("'n'") ?? false)
  }
}
