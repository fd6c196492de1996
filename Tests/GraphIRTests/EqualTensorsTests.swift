import GraphIR
import Tensors
import Testing

@Suite struct EqualTensorsTests {
  @Test func equalTensorsHaveOneNumber() throws {
    var tensors = EqualTensors()
    let long = (0..<3000).map { Float($0) / 7 }
    let first = tensors.add(try Tensor(shape: [3000], long))
    #expect(tensors.add(try Tensor(shape: [3000], long)) == first)
    // They differ beyond what is compared first.
    #expect(tensors.add(try Tensor(shape: [3000], long.dropLast() + [9])) != first)
    #expect(tensors.add(try Tensor(shape: [30, 100], long)) != first)
    #expect(tensors.tensors.map(\.shape) == [[3000], [3000], [30, 100]])
    #expect(tensors.number(of: try Tensor(shape: [3000], long)) == first)
    #expect(tensors.number(of: try Tensor(shape: [1], [0] as [Float])) == nil)
  }
}
