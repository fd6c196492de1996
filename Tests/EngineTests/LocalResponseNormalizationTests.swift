import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct LocalResponseNormalizationTests {
  @Test(arguments: [1, 2, 5, 9], [1, 511, 512, 513])
  func float32AgreesWithFloat64(_ size: Int, _ width: Int) throws {
    var numbers = NumberSequence(seed: UInt64(size * width))
    let x = try numbers.tensor([2, 7, width])
    let wide = try Tensor(shape: x.shape, x.array(of: Float.self).map(Double.init))
    let attributes: Attributes = [
      "size": .int(size), "alpha": .float(0.3), "beta": .float(0.75), "bias": .float(1.5),
    ]
    let single = try OperatorRunner.run("LRN", [x], attributes)[0].array(of: Float.self)
    let double = try OperatorRunner.run("LRN", [wide], attributes)[0].array(of: Double.self)
    #expect(zip(single, double).allSatisfy { abs(Double($0) - $1) <= 1e-6 * abs($1) })
  }
}
