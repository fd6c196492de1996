import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct TrainingModeTests {
  @Test func batchStatistics() throws {
    let x = floats([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 9])
    let result = try OperatorRunner.run(
      "BatchNormalization",
      [x, floats([2], [1, 2]), floats([2], [0, 1]), floats([2], [0, 0]), floats([2], [1, 1])], outputs: 3,
      ["training_mode": .int(1)], threads: 2)
    let expected: [Float] = [
      -1.2126768, -0.72760606, -1.3062246, -0.46759748, 0.72760606, 1.2126768, 2.048284, 3.7255383,
    ]
    #expect(zip(result[0].array(of: Float.self), expected).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(result[1].array(of: Float.self), [0.35, 0.575]).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(zip(result[2].array(of: Float.self), [1.325, 1.46875]).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test func generatorDrawsAsNumpy() throws {
    let state = UnsafeMutableRawPointer.allocate(byteCount: MersenneTwister.stateBytes, alignment: 64)
    defer { state.deallocate() }
    var generator = MersenneTwister(state: state, seed: 5)
    for expected in [0.22199317108973948, 0.8707323061773764, 0.20671915533942642, 0.9186109079379216] {
      #expect(generator.fraction() == expected)
    }
    var long = MersenneTwister(state: state, seed: 0)
    let last = (0..<700).map { _ in long.fraction() }.last
    #expect(last.map { abs($0 - 0.8427768626848423) < 1e-15 } == true)
  }

  @Test func dropoutKeepsWhatTheSeedSays() throws {
    let x = floats([8], [1, 2, 3, 4, 5, 6, 7, 8])
    let ratio = try Tensor(scalar: Float(0.5))
    let train = try Tensor(scalar: true)
    let result = try OperatorRunner.run("Dropout", [x, ratio, train], outputs: 2, ["seed": .int(3)])
    #expect(result[0] == floats([8], [2, 4, 0, 8, 10, 12, 0, 0]))
    #expect(result[1] == bools(true, true, false, true, true, true, false, false))
    let evaluated = try OperatorRunner.run(
      "Dropout", [x, ratio, try Tensor(scalar: false)], outputs: 2, ["seed": .int(3)])
    #expect(evaluated[0] == x)
    #expect {
      try OperatorRunner.run("Dropout", [x, try Tensor(scalar: Float(1)), train])
    } throws: { "\($0)".contains("ratio is 1.0") }
  }

  /// Without a seed: about as many as the ratio says, and the others grow.
  @Test func dropoutWithoutSeed() throws {
    let x = floats([4000], [Float](repeating: 3, count: 4000))
    let y = try OperatorRunner.run(
      "Dropout", [x, try Tensor(scalar: Float(0.25)), try Tensor(scalar: true)])[0]
      .array(of: Float.self)
    #expect(y.allSatisfy { $0 == 0 || $0 == 4 })
    #expect((800...1200).contains(y.filter { $0 == 0 }.count))
  }

  @Test func bernoulliDrawsAsNumpy() throws {
    let p = floats([8], [0.1, 0.5, 0.9, 0.7, 0.3, 0.6, 0.2, 0.8])
    #expect(
      try OperatorRunner.run("Bernoulli", [p], ["seed": .float(3)]) == [
        floats([8], [0, 1, 1, 1, 1, 0, 0, 1])
      ])
    #expect { try OperatorRunner.run("Bernoulli", [floats([1], [2])]) } throws: {
      "\($0)".contains("probability")
    }
  }
}
