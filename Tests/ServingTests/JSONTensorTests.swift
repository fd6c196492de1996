import Tensors
import Testing

@testable import Serving

@Suite struct JSONTensorTests {
  static func read(_ text: String, _ type: ElementType, _ shape: Shape, depth: Int = 64) throws -> Tensor {
    try JSONScanner.withScanner(text.utf8, maximumDepth: depth) { scanner in
      let tensor = try scanner.readTensor(type: type, shape: shape)
      try scanner.finish()
      return tensor
    }
  }

  static func written(_ tensor: Tensor) -> String {
    var writer = JSONWriter()
    let isWritten = writer.elements(of: tensor)
    #expect(isWritten)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test(arguments: [
    "[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", "[ [ [1] ,[2, 3]], [4.0, 5e0, [[6]] ] ]", "[[],[1,2],[],[3,4,5,6]]",
  ])
  func nestedAndFlatAreTheSame(text: String) throws {
    #expect(try Self.read(text, .float32, [2, 3]).array(of: Float.self) == [1, 2, 3, 4, 5, 6])
  }

  @Test(arguments: [
    (ElementType.bool, "[true,false]"), (.int8, "[-128,127]"), (.int16, "[-32768,32767]"),
    (.int32, "[-2147483648,2147483647]"), (.int64, "[-9223372036854775808,9223372036854775807]"),
    (.uint8, "[0,255]"), (.uint16, "[0,65535]"), (.uint32, "[0,4294967295]"),
    (.uint64, "[0,18446744073709551615]"),
    (.float16, "[0.1,-65504.0]"), (.bfloat16, "[0.100097656,-3.3895314e+38]"),
    (.float32, "[0.1,-3.4028235e+38]"),
    (.float64, "[0.1,1.7976931348623157e+308]"), (.string, #"["é\n",""]"#), (.float32, "[NaN,-Infinity]"),
    (.float16, "[Infinity,NaN]"),
  ]) func everyTypeRoundTrips(type: ElementType, text: String) throws {
    #expect(Self.written(try Self.read(text, type, [2])) == text)
  }

  @Test func randomFloatsRoundTrip() throws {
    var generator = SplitMix(seed: 4)
    let bits = (0..<20_000).map { _ in UInt32(truncatingIfNeeded: generator.next()) }
    let values = bits.map { Float(bitPattern: $0) }.map { $0.isNaN ? 0 : $0 }
    let tensor = try Tensor(shape: [values.count], values)
    #expect(try Self.read(Self.written(tensor), .float32, tensor.shape) == tensor)
  }

  @Test(arguments: [
    (ElementType.int8, "[128]"), (.int8, "[-129]"), (.uint8, "[256]"), (.uint8, "[-1]"),
    (.int64, "[9223372036854775808]"),
    (.int64, "[-9223372036854775809]"), (.uint64, "[18446744073709551616]"), (.uint64, "[-1]"),
    (.int32, "[1.0]"),
    (.int32, "[1e3]"), (.int32, "[true]"), (.int32, "[\"1\"]"), (.int32, "[01]"), (.bool, "[1]"),
    (.bool, "[\"true\"]"),
    (.float32, "[1e39]"), (.float32, "[1e999]"), (.float64, "[1e999]"), (.float16, "[65520]"),
    (.bfloat16, "[3.4e38]"),
    (.float32, "[null]"), (.float32, "[\"1\"]"), (.string, "[1]"), (.string, #"["\ud800"]"#), (.float32, "1"),
    (.float32, "[]"), (.float32, "[1,2]"), (.float32, "[[1],2]"), (.float32, "[[1]"), (.float32, "[1,]"),
    (.float32, "[,1]"),
    (.float32, "[1]]"), (.float32, "{}"), (.int4, "[1]"), (.complex64, "[1]"),
  ]) func refused(type: ElementType, text: String) {
    #expect(throws: JSONError.self) { _ = try Self.read(text, type, [1]) }
  }

  @Test func minusZeroIntegerIsZero() throws {
    #expect(try Self.read("[-0]", .uint8, [1]).array(of: UInt8.self) == [0])
  }

  @Test(arguments: [[-1], [1 << 62, 4], [Int.max], [1_000_000_000]]) func hostileShapes(dimensions: [Int]) {
    #expect(throws: JSONError.self) { _ = try Self.read("[1,2,3]", .float32, Shape(dimensions)) }
  }

  @Test func emptyTensors() throws {
    #expect(try Self.read("[]", .float32, [0, 4]).elementCount == 0)
    #expect(try Self.read("[[],[]]", .string, [2, 0]).elementCount == 0)
    #expect(Self.written(try Tensor(type: .int64, shape: [0])) == "[]")
  }

  @Test func scalarsAreArraysOfOne() throws {
    #expect(try Self.read("[7]", .int64, .scalar).array(of: Int64.self) == [7])
  }

  @Test func nestingIsCapped() {
    let text = String(repeating: "[", count: 65) + "1" + String(repeating: "]", count: 65)
    #expect(throws: JSONError.self) { _ = try Self.read(text, .float32, [1]) }
  }
}
