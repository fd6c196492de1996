import Tensors
import Testing

@testable import Compression

@Suite struct MergingTests {
  @Test func endsAreTheModelsBitByBit() throws {
    let base = try Tensor(shape: [4], [1, .nan, 1e30, -0.0] as [Float])
    let other = try Tensor(shape: [4], [3, 2, -1e-30, 0.1] as [Float])
    let first = try TensorMerging.merge(base, other, alpha: 0, name: "w")
    let second = try TensorMerging.merge(base, other, alpha: 1, name: "w")
    #expect(first.array(of: Float.self).map(\.bitPattern) == base.array(of: Float.self).map(\.bitPattern))
    #expect(second.array(of: Float.self).map(\.bitPattern) == other.array(of: Float.self).map(\.bitPattern))
  }

  @Test(arguments: [(0.25, 1.5), (0.5, 2), (2, 5), (-1, -1)])
  func between(alpha: Double, result: Double) throws {
    let (base, other) = (try Tensor(shape: [1], [1.0]), try Tensor(shape: [1], [3.0]))
    #expect(try TensorMerging.merge(base, other, alpha: alpha, name: "w").array(of: Double.self) == [result])
    let (low, high) = (try Tensor(shape: [1], [1] as [Float16]), try Tensor(shape: [1], [3] as [Float16]))
    let merged = try TensorMerging.merge(low, high, alpha: alpha, name: "w")
    #expect(merged.array(of: Float16.self) == [Float16(result)])
  }

  @Test func integersMustAgree() throws {
    let (base, other) = (
      try Tensor(shape: [2], [1, 2] as [Int64]), try Tensor(shape: [2], [1, 3] as [Int64])
    )
    #expect(try TensorMerging.merge(base, base, alpha: 0.5, name: "shape") == base)
    #expect(throws: CompressionError.model("weight 'shape' of int64 differs between the models")) {
      try TensorMerging.merge(base, other, alpha: 0.5, name: "shape")
    }
  }

  @Test func shapesAndTypesMustAgree() throws {
    let base = try Tensor(shape: [2], [1, 2] as [Float])
    for other in [
      try Tensor(shape: [1, 2], [1, 2] as [Float]), try Tensor(shape: [2], [1, 2] as [Double]),
    ] {
      #expect(throws: CompressionError.self) { try TensorMerging.merge(base, other, alpha: 0.5, name: "w") }
    }
  }

  private func parameter(_ name: String, _ shape: Shape) -> ParameterMatching.Parameter {
    .init(name: name, type: .float32, shape: shape)
  }

  @Test func namesDecideBeforeOrder() throws {
    let base = [parameter("a", [2]), parameter("b", [2])]
    #expect(try ParameterMatching.match(base, [parameter("b", [2]), parameter("a", [2])]) == [1, 0])
    #expect(try ParameterMatching.match(base, [parameter("x", [2]), parameter("y", [2])]) == [0, 1])
    #expect(try ParameterMatching.match([], []) == [])
  }

  @Test func theFirstDifferenceIsNamed() {
    let base = [parameter("a", [2]), parameter("b", [3])]
    #expect(
      throws: CompressionError.model(
        "the models differ: 'b' float32 [3] in one, 'y' float32 [4] in the other")
    ) {
      try ParameterMatching.match(base, [parameter("x", [2]), parameter("y", [4])])
    }
    #expect(throws: CompressionError.self) { try ParameterMatching.match(base, [parameter("a", [2])]) }
  }
}
