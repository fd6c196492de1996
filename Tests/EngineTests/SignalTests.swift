import GraphIR
import Glibc
import Tensors
import Testing

@Suite struct SignalTests {
  /// Lengths around powers of two against the sum that defines the transform; the inverse gives the signal back.
  @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 9, 17, 30]) func transform(length: Int) throws {
    var numbers = NumberSequence(seed: 11)
    let signal = try numbers.tensor([2, length, 2])
    let x = signal.array(of: Float.self).map(Double.init)
    let spectrum = try OperatorRunner.run("DFT", [signal], [:], threads: 2)[0]
    let actual = spectrum.array(of: Float.self)
    for line in 0..<2 {
      for bin in 0..<length {
        var (re, im) = (0.0, 0.0)
        for index in 0..<length {
          let angle = -2 * Double.pi * Double(bin * index % length) / Double(length)
          let place = (line * length + index) * 2
          re += x[place] * cos(angle) - x[place + 1] * sin(angle)
          im += x[place] * sin(angle) + x[place + 1] * cos(angle)
        }
        #expect(abs(re - Double(actual[(line * length + bin) * 2])) < 1e-5)
        #expect(abs(im - Double(actual[(line * length + bin) * 2 + 1])) < 1e-5)
      }
    }
    let back = try OperatorRunner.run("DFT", [spectrum], ["inverse": .int(1)])[0].array(of: Float.self)
    #expect(zip(back, x).allSatisfy { abs(Double($0) - $1) < 1e-5 })
  }

  @Test(arguments: [6, 7]) func onesidedInverseGivesARealSignal(length: Int) throws {
    var numbers = NumberSequence(seed: 2)
    let signal = try numbers.tensor([1, length, 1])
    let half = try OperatorRunner.run("DFT", [signal], ["onesided": .int(1)])[0]
    #expect(half.shape == [1, length / 2 + 1, 2])
    let back = try OperatorRunner.run(
      "DFT", [half, scalar(length)], ["onesided": .int(1), "inverse": .int(1)], constants: [1])[0]
    #expect(back.shape == signal.shape)
    #expect(
      zip(back.array(of: Float.self), signal.array(of: Float.self)).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test func frames() throws {
    let result = try OperatorRunner.run(
      "STFT", [floats([1, 4, 1], [1, 2, 3, 4]), scalar(2), floats([2], [1, 2])], constants: [1])
    #expect(result == [floats([1, 2, 2, 2], [5, 0, -3, 0, 11, 0, -5, 0])])
  }

  @Test func windows() throws {
    let hann = try OperatorRunner.run("HannWindow", [scalar(4)], constants: [0])[0].array(of: Float.self)
    #expect(zip(hann, [0, 0.5, 1, 0.5]).allSatisfy { abs($0 - $1) < 1e-6 })
    let one = try OperatorRunner.run("HammingWindow", [scalar(1)], ["periodic": .int(0)])
    #expect(one == [floats([1], [1])])
  }

  @Test(arguments: ["RandomNormal", "RandomUniform"]) func equalSeedsGiveEqualTensors(type: String) throws {
    func draw(_ seed: Float) throws -> Tensor {
      try OperatorRunner.run(
        OperatorName(type: type), [], ["shape": .ints([4096]), "seed": .float(seed)])[0]
    }
    let values = try draw(1)
    #expect(try draw(1) == values)
    #expect(try draw(2) != values)
    let mean = values.array(of: Float.self).reduce(0, +) / 4096
    #expect(abs(mean - (type == "RandomUniform" ? 0.5 : 0)) < 0.06)
  }

  @Test func drawsFollowTheirChances() throws {
    let coins = try OperatorRunner.run("Bernoulli", [floats([3], [0, 1, 1])], ["seed": .float(1)])
    #expect(coins == [floats([3], [0, 1, 1])])
    let drawn = try OperatorRunner.run(
      "Multinomial", [floats([2, 3], [-1e9, 0, -1e9, 0, -1e9, -1e9])],
      ["sample_size": .int(3), "seed": .float(1), "dtype": .int(7)])
    #expect(drawn == [ints([2, 3], [1, 1, 1, 0, 0, 0])])
  }
}
