import GraphIR
import Tensors
import Testing

@testable import Serving

@Suite struct InputCheckTests {
  private let ports = [
    TensorPort(name: "a", element: .float32, dimensions: [.symbol("batch"), .known(4)]),
    TensorPort(name: "b", element: .int64, dimensions: [.symbol("batch")]),
    TensorPort(name: "c", element: .float32, dimensions: nil, isOptional: true),
  ]

  private func check(_ inputs: [Tensor?], outputs: [Int] = [0]) throws {
    try InputCheck.check(
      InferenceRequest(inputs: inputs, outputs: outputs, completion: { _ in }), inputs: ports, outputs: 2)
  }

  private func floats(_ shape: Shape) throws -> Tensor { try Tensor(type: .float32, shape: shape) }
  private func integers(_ shape: Shape) throws -> Tensor { try Tensor(type: .int64, shape: shape) }

  @Test func whatFitsPasses() throws {
    try check([try floats([3, 4]), try integers([3]), nil], outputs: [1, 0])
    try check([try floats([0, 4]), try integers([0]), try floats([2, 2, 2])])
  }

  @Test func whatDoesNotFitNamesTheInput() throws {
    let cases: [(inputs: [Tensor?], name: String, text: String)] = [
      ([try floats([3, 5]), try integers([3]), nil], "a", "expected shape [batch,4], got [3,5]"),
      ([try floats([3]), try integers([3]), nil], "a", "expected 2 dimensions [batch,4], got shape [3]"),
      ([try integers([3, 4]), try integers([3]), nil], "a", "expected elements of type float32, got int64"),
      ([try floats([3, 4]), try integers([2]), nil], "b", "dimension 'batch' is 2, but 3 in input 'a'"),
      ([nil, try integers([2]), nil], "a", "is missing"),
    ]
    for (inputs, name, text) in cases {
      #expect(throws: ServingError.invalidInput(name: name, reason: text)) { try check(inputs) }
    }
    #expect(throws: ServingError.invalidRequest(reason: "expected 3 inputs, got 1")) { try check([nil]) }
    #expect(throws: ServingError.self) {
      try check([try floats([3, 4]), try integers([3]), nil], outputs: [2])
    }
    #expect(throws: ServingError.self) {
      try check([try floats([3, 4]), try integers([3]), nil], outputs: [-1])
    }
  }
}
