import Tensors
import Testing

@Suite struct TensorTests {
  @Test func copiesShareUntilWritten() throws {
    let original = try Tensor(shape: [3], [1, 2, 3] as [Float])
    var copy = original
    copy.withMutableElements(Float.self) { $0[0] = 9 }
    #expect(original.array(of: Float.self) == [1, 2, 3])
    #expect(copy.array(of: Float.self) == [9, 2, 3])
  }

  @Test func bytesMustFitTheShape() {
    let bytes: [UInt8] = [1, 2, 3]
    #expect(throws: TensorError.byteCountMismatch(expected: 4, actual: 3)) {
      _ = try bytes.withUnsafeBytes { try Tensor(type: .float32, shape: [1], copying: $0) }
    }
  }

  @Test(arguments: [[-1], [Int.max, 2], [1 << 62, 4]]) func hostileShapesAreRefused(dimensions: [Int]) {
    #expect(throws: TensorError.invalidShape(Shape(dimensions))) {
      _ = try Tensor(type: .uint8, shape: Shape(dimensions))
    }
  }

  @Test(arguments: [(0, 0), (1, 1), (2, 1), (3, 2)]) func packedTypesRoundUp(elements: Int, bytes: Int) throws
  {
    #expect(try Tensor(type: .int4, shape: [elements]).byteCount == bytes)
  }
}
