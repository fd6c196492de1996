import GraphIR
import Tensors
import Testing

@Suite struct StateOperatorTests {
  /// Elements ((7 i + seed) mod 11) / 8 - 0.5; what is expected of them comes from onnx.reference.
  private func numbers(_ shape: Shape, _ seed: Int) -> Tensor {
    floats(shape, (0..<shape.elementCount).map { Float(($0 * 7 + seed) % 11) / 8 - 0.5 })
  }

  private func isClose(_ actual: [Float], _ expected: [Float]) -> Bool {
    actual.count == expected.count && zip(actual, expected).allSatisfy { abs($0 - $1) < 1e-6 }
  }

  private static let convolutions: [(past: Bool, activation: String, expected: [Float])] = [
    (false, "none", [0.015625, -0.359375, 0.75, 0.5625, -0.265625, -0.03125, 1.03125, 0.46875]),
    (
      false, "silu",
      [
        0.0078735342, -0.14774297, 0.50938404, 0.3583298, -0.11527632, -0.015380878, 0.76019436, 0.28832245,
      ]
    ),
    (true, "none", [-0.25, 0, 0.5625, 0.9375, 0.203125, -0.109375, 0.84375, 0.71875]),
    (
      true, "swish",
      [-0.10945586, 0, 0.3583298, 0.6736822, 0.11184213, -0.051699758, 0.5899959, 0.4832384]
    ),
  ]

  /// Sequences that are shorter than the state.
  @Test(arguments: convolutions)
  func causalConvolution(past: Bool, activation: String, expected: [Float]) throws {
    let result = try OperatorRunner.run(
      "CausalConvWithState",
      [numbers([2, 2, 2], 1), numbers([2, 1, 4], 2), numbers([2], 3), past ? numbers([2, 2, 3], 4) : nil],
      outputs: 2, ["activation": .string(activation)], threads: 2)
    #expect(isClose(result[0].array(of: Float.self), expected))
    let old: [Float] = past ? [0.375, 0.25, 0.125, 0] : [0, 0, 0, 0]
    #expect(
      result[1]
        == floats(
          [2, 2, 3], [old[0], -0.375, 0.5, old[1], 0, -0.5, old[2], 0.375, -0.125, old[3], 0.75, 0.25]))
  }

  private static let rules: [(rule: String, first: [Float], state: [Float], sums: [Float])] = [
    (
      "linear", [-0.08010194, 0.61319417, 0.060766988, 0.07181554, -0.43089318, -0.14363107],
      [-0.25, -0.46875, 0.34375, 0.359375, 1.40625, 0.21875], [1.463932, 2.140625]
    ),
    (
      "gated", [-0.066281945, 0.5479274, 0.019887138, 0.05799554, -0.34797326, -0.11599108],
      [-0.31016725, -0.2975173, 0.3135113, 0.3766227, 1.3027638, 0.18425459], [1.8393162, 3.009022]
    ),
    (
      "delta", [-0.047560528, 0.40896875, 0.002416869, 0.046783675, -0.2737967, -0.09874636],
      [-0.016847491, -0.57238173, 0.41811323, 0.26868749, 0.5839486, 0.08653545], [1.0868055, 1.3620859]
    ),
    (
      "gated_delta", [-0.035495028, 0.35303363, -0.03405755, 0.03431329, -0.198055, -0.07449517],
      [-0.0017849654, -0.54071003, 0.36896333, 0.2839933, 0.4957575, 0.057481468], [1.5592908, 2.2525847]
    ),
  ]

  /// Four query heads share two states of `[2, 3]`; decay has one number for each key feature, beta one for all.
  @Test(arguments: rules)
  func linearAttention(rule: String, first: [Float], state: [Float], sums: [Float]) throws {
    let result = try OperatorRunner.run(
      "LinearAttention",
      [
        numbers([1, 3, 8], 1), numbers([1, 3, 4], 2), numbers([1, 3, 6], 3), numbers([1, 2, 2, 3], 4),
        rule.hasPrefix("gated") ? numbers([1, 3, 4], 5) : nil,
        rule.hasSuffix("delta") ? numbers([1, 3, 1], 6) : nil,
      ], outputs: 2,
      ["q_num_heads": .int(4), "kv_num_heads": .int(2), "update_rule": .string(rule)], threads: 2)
    let (output, present) = (result[0].array(of: Float.self), result[1].array(of: Float.self))
    #expect(isClose(Array(output.prefix(6)), first))
    #expect(isClose(Array(present.prefix(6)), state))
    #expect(abs(output.reduce(0, +) - sums[0]) < 1e-5)
    #expect(abs(present.reduce(0, +) - sums[1]) < 1e-5)
  }

  /// Prefill and the same in two calls give the same.
  @Test func stateCarriesOn() throws {
    let attributes: Attributes = [
      "q_num_heads": .int(2), "kv_num_heads": .int(1), "update_rule": .string("linear"), "scale": .float(0.5),
    ]
    let (q, k, v) = (numbers([1, 2, 4], 1), numbers([1, 2, 2], 2), numbers([1, 2, 3], 3))
    let whole = try OperatorRunner.run("LinearAttention", [q, k, v], outputs: 2, attributes)
    func step(_ tensor: Tensor, _ index: Int) throws -> Tensor {
      let width = tensor.shape[2]
      return floats(
        [1, 1, width], Array(tensor.array(of: Float.self)[(index * width)..<((index + 1) * width)]))
    }
    let first = try OperatorRunner.run(
      "LinearAttention", [try step(q, 0), try step(k, 0), try step(v, 0)], outputs: 2, attributes)
    let second = try OperatorRunner.run(
      "LinearAttention", [try step(q, 1), try step(k, 1), try step(v, 1), first[1]], outputs: 2, attributes)
    #expect(second[1] == whole[1])
    #expect(
      first[0].array(of: Float.self) + second[0].array(of: Float.self) == whole[0].array(of: Float.self))
  }
}
