import GraphIR
import Glibc
import Tensors
import Testing

@Suite struct AttentionTests {
  /// Lengths around the block of queries that is computed at once, with shared key heads and a past.
  @Test(arguments: [1, 63, 64, 65], [false, true]) func agreesWithTheEquations(length: Int, causal: Bool)
    throws
  {
    let (heads, shared, size, past) = (4, 2, 3, 2)
    var numbers = NumberSequence(seed: 3)
    let q = try numbers.tensor([1, heads, length, size])
    let k = try numbers.tensor([1, shared, length, size])
    let v = try numbers.tensor([1, shared, length, size])
    let pastKey = try numbers.tensor([1, shared, past, size])
    let pastValue = try numbers.tensor([1, shared, past, size])
    let result = try OperatorRunner.run(
      "Attention", [q, k, v, nil, pastKey, pastValue], outputs: 3, ["is_causal": .int(causal ? 1 : 0)],
      threads: 2)
    #expect(result[1].shape == [1, shared, past + length, size])
    let (keys, values) = (result[1].array(of: Float.self), result[2].array(of: Float.self))
    #expect(Array(keys[0..<(past * size)]) == Array(pastKey.array(of: Float.self)[0..<(past * size)]))
    let queries = q.array(of: Float.self)
    let actual = result[0].array(of: Float.self)
    let total = past + length
    for head in 0..<heads {
      for query in 0..<length {
        let base = head / 2 * total
        let visible = causal ? past + query + 1 : total
        let weights = (0..<visible).map { key in
          exp(
            (0..<size).reduce(0.0) {
              $0 + Double(queries[(head * length + query) * size + $1])
                * Double(keys[(base + key) * size + $1])
            } / Double(size).squareRoot())
        }
        let sum = weights.reduce(0, +)
        for feature in 0..<size {
          let wanted =
            (0..<visible).reduce(0.0) {
              $0 + weights[$1] * Double(values[(base + $1) * size + feature])
            } / sum
          #expect(abs(wanted - Double(actual[(head * length + query) * size + feature])) < 1e-5)
        }
      }
    }
  }

  /// Everything at once: past, mask, causal, softcap, shared heads, and every stage of the scores.
  @Test(arguments: 0..<4) func doubleAgreesWithSingle(mode: Int) throws {
    var numbers = NumberSequence(seed: 9)
    let inputs = [
      try numbers.tensor([2, 4, 3, 5]), try numbers.tensor([2, 2, 6, 5]), try numbers.tensor([2, 2, 6, 4]),
      try numbers.tensor([2, 1, 3, 8]), try numbers.tensor([2, 2, 2, 5]), try numbers.tensor([2, 2, 2, 4]),
    ]
    let attributes: Attributes = [
      "is_causal": .int(1), "softcap": .float(0.5), "qk_matmul_output_mode": .int(mode),
    ]
    let single = try OperatorRunner.run("Attention", inputs, outputs: 4, attributes)
    let wide = try inputs.map {
      try Tensor(shape: $0.shape, $0.array(of: Float.self).map(Double.init))
    }
    let double = try OperatorRunner.run("Attention", wide, outputs: 4, attributes, threads: 2)
    for (a, b) in zip(single, double) {
      #expect(a.shape == b.shape)
      let pairs = zip(a.array(of: Float.self), b.array(of: Double.self))
      #expect(pairs.allSatisfy { Double($0) == $1 || abs(Double($0) - $1) < 1e-5 })
    }
  }

  /// Lengths around the blocks of queries and keys that are computed at once, against plain loops: causal, with a mask
  /// that is shorter than the keys, with a cap, and with the number of keys of each request.
  @Test(arguments: [1, 48, 49, 255, 256, 257, 600]) func streamedAgreesWithDouble(length: Int) throws {
    var numbers = NumberSequence(seed: 15)
    let q = try numbers.tensor([2, 4, length, 5])
    let k = try numbers.tensor([2, 2, length, 5])
    let v = try numbers.tensor([2, 2, length, 3])
    let boolean = try Tensor(
      shape: [length, length], (0..<(length * length)).map { _ in numbers.next() > -0.5 })
    let keys = max(1, length - 3)
    let short = try numbers.tensor([1, length, keys])
    let cases: [([Tensor?], Attributes)] = [
      ([q, k, v], [:]), ([q, k, v], ["is_causal": .int(1)]), ([q, k, v, boolean], [:]),
      ([q, k, v, short], ["is_causal": .int(1), "softcap": .float(0.7)]),
      ([q, k, v, nil, nil, nil, ints(length / 2 + 1, length)], ["scale": .float(2)]),
    ]
    for (inputs, attributes) in cases {
      let single = try [1, 2, 5].map {
        try OperatorRunner.run("Attention", inputs, attributes, threads: $0)[0].array(of: Float.self)
      }
      #expect(single[0] == single[1] && single[0] == single[2])
      let wide = try inputs.map { input -> Tensor? in
        guard let input, input.type == .float32 else { return input }
        return try Tensor(shape: input.shape, input.array(of: Float.self).map(Double.init))
      }
      let double = try OperatorRunner.run("Attention", wide, attributes)[0].array(of: Double.self)
      #expect(
        zip(single[0], double).allSatisfy {
          abs(Double($0) - $1) <= 1e-5 || $0.isNaN && $1.isNaN
        })
    }
  }

  /// The same numbers as heads side by side in rank 3, and with the past kept in scratch memory only.
  @Test func ranksAgree() throws {
    var numbers = NumberSequence(seed: 5)
    let flat = try (0..<3).map { _ in try numbers.tensor([2, 1, 6]) }
    let past = try (0..<2).map { _ in try numbers.tensor([2, 3, 4, 2]) }
    let four = try flat.map { try $0.reshaped(to: [2, 3, 1, 2]) }
    let heads: Attributes = ["q_num_heads": .int(3), "kv_num_heads": .int(3)]
    let three = try OperatorRunner.run("Attention", flat + [nil] + past, heads)
    let separate = try OperatorRunner.run("Attention", four + [nil] + past, outputs: 3)
    #expect(three[0].array(of: Float.self) == separate[0].array(of: Float.self))
  }

  @Test func boolMaskLeavesKeysOut() throws {
    let q = floats([1, 1, 1, 1], [1])
    let k = floats([1, 1, 3, 1], [5, 5, 90])
    let v = floats([1, 1, 3, 1], [2, 4, 8])
    let mask = try Tensor(shape: [1, 3], [true, true, false])
    #expect(try OperatorRunner.run("Attention", [q, k, v, mask]) == [floats([1, 1, 1, 1], [3])])
    // A shorter mask leaves out the keys that it does not reach.
    let short = try Tensor(shape: [1, 1], [true])
    #expect(try OperatorRunner.run("Attention", [q, k, v, short]) == [floats([1, 1, 1, 1], [2])])
  }

  @Test(arguments: [0, 1]) func rotation(interleaved: Int) throws {
    // A quarter turn of every pair.
    let result = try OperatorRunner.run(
      "RotaryEmbedding",
      [
        counting([1, 1, 1, 5]), floats([2, 2], [1, 1, 0, 0]), floats([2, 2], [0, 0, 1, 1]),
        ints([1, 1], [1]),
      ],
      ["interleaved": .int(interleaved), "rotary_embedding_dim": .int(4)])
    #expect(result == [floats([1, 1, 1, 5], interleaved == 1 ? [-1, 0, -3, 2, 4] : [-2, -3, 0, 1, 4])])
  }

  @Test func positionsOutOfRangeAreRefused() {
    #expect(throws: (any Error).self) {
      try OperatorRunner.run(
        "RotaryEmbedding",
        [counting([1, 1, 1, 2]), floats([2, 1], [1, 1]), floats([2, 1], [0, 0]), ints([1, 1], [2])])
    }
  }
}
