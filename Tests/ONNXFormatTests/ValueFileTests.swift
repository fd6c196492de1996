import Tensors
import Testing

@testable import ONNXFormat

struct ValueFileTests {
  private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    [number << 3 | 2, UInt8(bytes.count)] + bytes
  }

  private func read(_ bytes: [UInt8], _ kind: ValueFile.Kind) throws -> RuntimeValue {
    try bytes.withUnsafeBytes { try ValueFile.read(bytes: $0, kind: kind) }
  }

  @Test func readsEveryKind() throws {
    let tensor = try Tensor(shape: [2], [Float(1), 2])
    let bytes = try TensorFile.bytes(of: tensor)
    #expect(try read(bytes, .tensor) == .tensor(tensor))
    let sequence = field(1, Array("s".utf8)) + [0x10, 1] + field(3, bytes) + field(3, bytes)
    let value = RuntimeValue.sequence([.tensor(tensor), .tensor(tensor)])
    #expect(try read(sequence, .sequence) == value)
    #expect(try read([0x10, 3] + field(5, sequence), .optional) == .optional(value))
    #expect(try read([0x10, 1], .optional) == .optional(nil))
    #expect(try read([], .sequence) == .sequence([]))
  }

  @Test func readsMaps() throws {
    let one = try TensorFile.bytes(of: try Tensor(shape: .scalar, [Float(1)]))
    let two = try TensorFile.bytes(of: try Tensor(shape: .scalar, [Float(2)]))
    let values = field(5, field(3, one) + field(3, two))
    let integers = RuntimeValue.map(
      keys: try Tensor(shape: [2], [4, 9]), values: try Tensor(shape: [2], [Float(2), 1]))
    #expect(try read([0x10, 7] + field(3, [9, 4]) + values, .map) == integers)
    #expect(try read([0x18, 9, 0x18, 4] + values, .map) == integers)
    let strings = RuntimeValue.map(
      keys: try Tensor(shape: [2], strings: ["a", "b"]), values: try Tensor(shape: [2], [Float(2), 1]))
    let map = field(4, Array("b".utf8)) + field(4, Array("a".utf8)) + values
    #expect(try read(map, .map) == strings)
    #expect(try read(field(6, map), .sequence) == .sequence([strings]))
    #expect(throws: ONNXFormatError.self) { try read(field(3, [9]) + values, .map) }
    #expect(throws: ONNXFormatError.self) { try read(field(3, [9, 9]) + values, .map) }
  }

  @Test(arguments: [
    [0x1A, 5, 0] as [UInt8], [0x1A], [0x1B], [0x19, 1], [0x22, 0], [0x10, 0x80],
    [0x1A, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
  ])
  func refusesBrokenBytes(_ bytes: [UInt8]) {
    #expect(throws: ONNXFormatError.self) { try read(bytes, .sequence) }
  }
}
