import GraphIR
import Tensors
import Testing

@Suite struct BitCastTests {
  @Test func bitsStay() throws {
    let result = try OperatorRunner.run("BitCast", [floats([2], [1, -0.0])], ["to": .int(12)])
    #expect(result == [try Tensor(shape: [2], [UInt32(0x3F80_0000), 0x8000_0000])])
  }

  @Test(arguments: [1, 8, 11]) func otherWidthsAreRefused(type: Int) {
    #expect(throws: (any Error).self) {
      try OperatorRunner.run("BitCast", [ints(1)], ["to": .int(type == 11 ? 6 : type)])
    }
  }
}
