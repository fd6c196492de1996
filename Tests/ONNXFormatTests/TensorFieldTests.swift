import Foundation
import Tensors
import Testing

@testable import ONNXFormat

struct TensorFieldTests {
  private func decode(_ message: Onnx_TensorProto) throws -> Tensor {
    var decoder = TensorDecoder(directory: nil, limits: LoadLimits())
    return try decoder.tensor(message)
  }

  private func message(_ type: ElementType, _ dims: [Int64]) -> Onnx_TensorProto {
    var message = Onnx_TensorProto()
    message.name = "t"
    message.dataType = Int32(type.onnxDataType)
    message.dims = dims
    return message
  }

  @Test(arguments: [
    (ElementType.int8, [Int32(-128), 127], [UInt8(0x80), 0x7F]), (.uint8, [0, 255], [0, 255]),
    (.int16, [-2, 1], [0xFE, 0xFF, 1, 0]), (.uint16, [65535, 1], [0xFF, 0xFF, 1, 0]),
    (.int32, [-1, 1], [255, 255, 255, 255, 1, 0, 0, 0]), (.bool, [1, 0], [1, 0]),
    (.float16, [0x3C00, 0xC000], [0, 0x3C, 0, 0xC0]), (.bfloat16, [0x3F80, 0], [0x80, 0x3F, 0, 0]),
    (.float8e4m3fn, [0x7E, 0xFF], [0x7E, 0xFF]), (.float8e4m3fnuz, [0x80, 1], [0x80, 1]),
    (.float8e5m2, [0x7C, 0], [0x7C, 0]), (.float8e5m2fnuz, [0x80, 2], [0x80, 2]),
    (.float8e8m0, [127, 0], [127, 0]), (.int4, [0xF1], [0xF1]), (.uint4, [0x21], [0x21]),
    (.float4e2m1, [0x72], [0x72]), (.int2, [0b1001], [0b1001]), (.uint2, [0b0111], [0b0111]),
  ])
  func int32Data(_ row: (type: ElementType, entries: [Int32], bytes: [UInt8])) throws {
    var message = message(row.type, [2])
    message.int32Data = row.entries
    let tensor = try decode(message)
    #expect(tensor.type == row.type)
    #expect(tensor.withBytes { Array($0) } == row.bytes)
  }

  @Test func otherFields() throws {
    var floats = message(.float32, [2])
    floats.floatData = [1.5, -.infinity]
    #expect(try decode(floats) == Tensor(shape: [2], [Float(1.5), -.infinity]))
    var complex = message(.complex64, [1])
    complex.floatData = [1, 2]
    #expect(try decode(complex).byteCount == 8)
    var doubles = message(.float64, [1])
    doubles.doubleData = [0.1]
    #expect(try decode(doubles) == Tensor(shape: [1], [0.1]))
    var wide = message(.complex128, [1])
    wide.doubleData = [1, 2]
    #expect(try decode(wide).byteCount == 16)
    var longs = message(.int64, [])
    longs.int64Data = [-7]
    #expect(try decode(longs) == Tensor(scalar: -7))
    var unsigned = message(.uint32, [1])
    unsigned.uint64Data = [UInt64(UInt32.max)]
    #expect(try decode(unsigned) == Tensor(shape: [1], [UInt32.max]))
    var large = message(.uint64, [1])
    large.uint64Data = [.max]
    #expect(try decode(large) == Tensor(shape: [1], [UInt64.max]))
    var strings = message(.string, [2])
    strings.stringData = [Data("a".utf8), Data("é".utf8)]
    #expect(try decode(strings) == Tensor(shape: [2], strings: ["a", "é"]))
    #expect(try decode(message(.float32, [0, 3])).byteCount == 0)
  }

  @Test func booleansAreZeroOrOne() throws {
    var message = message(.bool, [3])
    message.rawData = Data([0, 1, 0xFE])
    #expect(try decode(message) == Tensor(shape: [3], [false, true, true]))
  }

  @Test(arguments: ElementType.allCases) func everyTypeSurvivesAFile(_ type: ElementType) throws {
    var tensor = try Tensor(type: type, shape: [3])
    if type == .string { tensor = try Tensor(shape: [3], strings: ["", "x", "ß"]) }
    tensor.withMutableBytes { bytes in
      for index in bytes.indices {
        bytes[index] = type == .bool ? 1 : UInt8(truncatingIfNeeded: 0x11 + index * 37)
      }
    }
    let bytes = try TensorFile.bytes(of: tensor, name: "t")
    #expect(try bytes.withUnsafeBytes { try TensorFile.read(bytes: $0) } == tensor)
    #expect(ElementType(onnxDataType: type.onnxDataType) == type)
  }

  @Test(arguments: [
    [Int64(-1)], [-1, -1], [1 << 62, 1 << 62], [3, .max], [1 << 31, 1 << 31, 4], [1 << 40], [2], [],
  ])
  func shapesThatDoNotFitTheBytes(_ dims: [Int64]) {
    var message = message(.float32, dims)
    message.rawData = Data(count: 12)
    #expect(throws: ONNXFormatError.self) { try decode(message) }
  }

  @Test func refusals() {
    var range = message(.uint8, [1])
    range.int32Data = [256]
    #expect(throws: ONNXFormatError.invalidTensor(tensor: "t", reason: "element 0, 256, is out of range")) {
      try decode(range)
    }
    var field = message(.float32, [1])
    field.int64Data = [1]
    #expect(
      throws: ONNXFormatError.invalidTensor(
        tensor: "t", reason: "elements in a field that float32 does not use")
    ) { try decode(field) }
    var two = message(.float32, [1])
    two.floatData = [1]
    two.rawData = Data(count: 4)
    #expect(throws: ONNXFormatError.invalidTensor(tensor: "t", reason: "elements in more than one field")) {
      try decode(two)
    }
    var unknown = message(.float32, [1])
    unknown.dataType = 99
    #expect(throws: ONNXFormatError.unknownElementType(tensor: "t", number: 99)) { try decode(unknown) }
    var text = message(.string, [1])
    text.stringData = [Data([0xFF])]
    #expect(throws: ONNXFormatError.invalidTensor(tensor: "t", reason: "element 0 is not UTF-8")) {
      try decode(text)
    }
    var limits = LoadLimits()
    limits.tensorBytes = 7
    var decoder = TensorDecoder(directory: nil, limits: limits)
    var large = message(.float32, [2])
    large.floatData = [1, 2]
    #expect(throws: ONNXFormatError.tooLarge(bytes: 8, limit: 7)) { try decoder.tensor(large) }
  }
}
