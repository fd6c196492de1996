import GraphIR
import Tensors
import Testing

@testable import Engine

/// One node, its inputs and what numpy computes for them.
struct OperatorCase: Sendable, CustomTestStringConvertible {
  let name: String
  let op: OperatorName
  let inputs: [Tensor?]
  let expected: Tensor
  let attributes: Attributes

  init(
    _ name: String, _ op: OperatorName, _ inputs: [Tensor?], _ expected: Tensor,
    _ attributes: Attributes = [:]
  ) {
    self.name = name
    self.op = op
    self.inputs = inputs
    self.expected = expected
    self.attributes = attributes
  }

  /// Named after the types of its inputs.
  init(_ op: OperatorName, _ inputs: [Tensor?], _ expected: Tensor, _ attributes: Attributes = [:]) {
    let name = inputs.map { $0.map { "\($0.type.name)\($0.shape)" } ?? "-" }.joined(separator: ", ")
    self.init(name, op, inputs, expected, attributes)
  }

  var testDescription: String { "\(op): \(name)" }
}

private func t(_ shape: Shape, _ values: [Float]) -> Tensor { try! Tensor(shape: shape, values) }
private func i(_ shape: Shape, _ values: [Int]) -> Tensor { try! Tensor(shape: shape, values) }
private func b(_ shape: Shape, _ values: [Bool]) -> Tensor { try! Tensor(shape: shape, values) }
private let nan = Float.nan
private let inf = Float.infinity

@Suite struct OperatorTests {
  static let cases: [OperatorCase] = [
    OperatorCase(
      "row", "Add", [t([2, 3], [1, 2, 3, 4, 5, 6]), t([3], [10, 20, 30])],
      t([2, 3], [11, 22, 33, 14, 25, 36])),
    OperatorCase(
      "column", "Sub", [t([2, 1], [1, 2]), t([1, 3], [1, 2, 3])], t([2, 3], [0, -1, -2, 1, 0, -1])),
    OperatorCase(
      "middle axis", "Mul", [t([2, 1, 2], [1, 2, 3, 4]), t([1, 2, 1], [10, 100])],
      t([2, 2, 2], [10, 20, 100, 200, 30, 40, 300, 400])),
    OperatorCase("empty", "Add", [t([0, 3], []), t([3], [1, 2, 3])], t([0, 3], [])),
    OperatorCase(
      "integers truncate", "Div", [i([4], [7, -7, 7, 5]), i([4], [2, 2, -2, 0])], i([4], [3, -3, -3, 0])),
    OperatorCase(
      "NaN wins", "Max", [t([3], [nan, 1, -inf]), t([3], [1, nan, -1])], t([3], [nan, nan, -1])),
    OperatorCase(
      "sign of divisor", "Mod", [i([4], [-7, 7, -7, 7]), i([4], [3, -3, -3, 3])], i([4], [2, -2, -1, 1])),
    OperatorCase(
      "NaN is not equal", "Equal", [t([2], [nan, 1]), t([2], [nan, 1])], b([2], [false, true])),
    OperatorCase("NaN stays", "Relu", [t([4], [-1, nan, 2, -0.0])], t([4], [0, nan, 2, 0])),
    OperatorCase("limits", "Clip", [t([3], [-5, 0.5, 9]), t([], [-1]), t([], [1])], t([3], [-1, 0.5, 1])),
    OperatorCase("one limit", "Clip", [t([3], [-5, 0.5, 9]), nil, t([], [1])], t([3], [-5, 0.5, 1])),
    OperatorCase("half to even", "Round", [t([5], [0.5, 1.5, 2.5, -0.5, -1.5])], t([5], [0, 2, 2, 0, -2])),
    OperatorCase(
      "broadcast", "Where", [b([2, 1], [true, false]), t([2], [1, 2]), t([], [9])], t([2, 2], [1, 2, 9, 9])),
    OperatorCase(
      "vector and matrix", "MatMul", [t([2], [1, 2]), t([2, 2], [1, 2, 3, 4])], t([2], [7, 10])),
    OperatorCase("no depth", "MatMul", [t([2, 0], []), t([0, 2], [])], t([2, 2], [0, 0, 0, 0])),
    OperatorCase(
      "stack by broadcasting", "MatMul", [t([2, 1, 1, 2], [1, 2, 3, 4]), t([2, 2, 1], [1, 1, 2, 0])],
      t([2, 2, 1, 1], [3, 2, 7, 6])),
    OperatorCase(
      "all of it", "Gemm", [t([2, 2], [1, 2, 3, 4]), t([2, 2], [1, 0, 0, 1]), t([2, 1], [1, 2])],
      t([2, 2], [2.5, 3.5, 5, 6]), ["transA": .int(1), "alpha": .float(0.5), "beta": .float(2)]),
    OperatorCase("last axis", "Softmax", [t([1, 2], [0, 0])], t([1, 2], [0.5, 0.5])),
    OperatorCase(
      "large values", "Softmax", [t([2, 2], [1000, 1000, -inf, 0])], t([2, 2], [0.5, 0.5, 0, 1])),
    OperatorCase("first axis", "Softmax", [t([2, 1], [3, 3])], t([2, 1], [0.5, 0.5]), ["axis": .int(0)]),
    OperatorCase(
      "same upper", "Conv", [t([1, 1, 3], [1, 2, 3]), t([1, 1, 2], [1, 10])], t([1, 1, 3], [21, 32, 3]),
      ["auto_pad": .string("SAME_UPPER")]),
    OperatorCase(
      "groups", "Conv", [t([1, 2, 1, 1], [2, 3]), t([2, 1, 1, 1], [5, 7]), t([2], [1, 0])],
      t([1, 2, 1, 1], [11, 21]), ["group": .int(2)]),
    OperatorCase(
      "dilation", "Conv", [t([1, 1, 1, 5], [1, 2, 3, 4, 5]), t([1, 1, 1, 2], [1, 1])],
      t([1, 1, 1, 3], [4, 6, 8]), ["dilations": .ints([1, 2])]),
    OperatorCase(
      "three axes", "Conv", [t([1, 1, 2, 1, 1], [1, 2]), t([1, 1, 2, 1, 1], [3, 4])],
      t([1, 1, 1, 1, 1], [11])),
    OperatorCase(
      "stride", "ConvTranspose", [t([1, 1, 2], [1, 2]), t([1, 1, 2], [1, 10])],
      t([1, 1, 4], [1, 10, 2, 20]), ["strides": .ints([2])]),
    OperatorCase(
      "ceiling", "MaxPool", [t([1, 1, 3], [1, 3, 2])], t([1, 1, 2], [3, 2]),
      ["kernel_shape": .ints([2]), "strides": .ints([2]), "ceil_mode": .int(1)]),
    OperatorCase(
      "padding left out", "AveragePool", [t([1, 1, 2], [2, 4])], t([1, 1, 3], [2, 3, 4]),
      ["kernel_shape": .ints([2]), "pads": .ints([1, 1])]),
    OperatorCase(
      "padding counts", "AveragePool", [t([1, 1, 2], [2, 4])], t([1, 1, 3], [1, 3, 2]),
      ["kernel_shape": .ints([2]), "pads": .ints([1, 1]), "count_include_pad": .int(1)]),
    OperatorCase(
      "middle axis", "ReduceSum", [t([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), i([1], [1])],
      t([2, 2], [4, 6, 12, 14]), ["keepdims": .int(0)]),
    OperatorCase(
      "outer axes", "ReduceMax", [t([2, 2, 2], [1, 9, 3, 4, 5, 6, 7, 8]), i([2], [0, -1])],
      t([1, 2, 1], [9, 8])),
    OperatorCase("all axes", "ReduceMean", [i([4], [1, 2, 3, 5])], i([1], [2])),
    OperatorCase("to minus infinity", "ReduceLogSumExp", [t([2], [-inf, -inf])], t([1], [-inf])),
    OperatorCase("swap", "Transpose", [t([2, 3], [1, 2, 3, 4, 5, 6])], t([3, 2], [1, 4, 2, 5, 3, 6])),
    OperatorCase(
      "three axes", "Transpose", [t([2, 1, 2], [1, 2, 3, 4])], t([2, 2, 1], [1, 3, 2, 4]),
      ["perm": .ints([2, 0, 1])]),
    OperatorCase(
      "backwards", "Slice", [t([4], [1, 2, 3, 4]), i([1], [-1]), i([1], [-100]), i([1], [0]), i([1], [-2])],
      t([2], [4, 2])),
    OperatorCase(
      "negative index", "Gather", [t([2, 2], [1, 2, 3, 4]), i([2], [-1, 0])], t([2, 2], [2, 1, 4, 3]),
      ["axis": .int(1)]),
    OperatorCase(
      "second axis", "Concat", [t([2, 1], [1, 2]), t([2, 2], [3, 4, 5, 6])], t([2, 3], [1, 3, 4, 2, 5, 6]),
      ["axis": .int(1)]),
    OperatorCase(
      "new axes", "Expand", [t([2, 1], [1, 2]), i([3], [2, 1, 2])], t([2, 2, 2], [1, 1, 2, 2, 1, 1, 2, 2])),
    OperatorCase(
      "towards zero", "Cast", [t([4], [1.9, -1.9, 3e9, nan])],
      try! Tensor(shape: [4], [1, -1, Int32.max, 0] as [Int32]), ["to": .int(6)]),
    OperatorCase("to bool", "Cast", [t([3], [0, -0.5, nan])], b([3], [false, true, true]), ["to": .int(9)]),
    OperatorCase(
      "axis", "LayerNormalization", [t([1, 2], [1, 3]), t([2], [1, 2]), t([2], [0, 1])], t([1, 2], [-1, 3])),
    OperatorCase(
      "inference", "BatchNormalization",
      [t([1, 2, 1], [4, 9]), t([2], [2, 1]), t([2], [1, 0]), t([2], [2, 9]), t([2], [1, 4])],
      t([1, 2, 1], [5, 0])),
  ]

  @Test(arguments: cases) func computes(_ operatorCase: OperatorCase) throws {
    for isConstant in [false, true] {
      var builder = GraphBuilder()
      var given: [Tensor] = []
      // The first input comes at run time, so that the node is not folded; sizes and axes are constants.
      let ids = operatorCase.inputs.enumerated().map { index, tensor -> ValueID in
        guard let tensor else { return .none }
        if index > 0
          && (isConstant || tensor.type == .int64 && operatorCase.op != "Div" && operatorCase.op != "Mod")
        {
          return builder.constant(tensor)
        }
        given.append(tensor)
        return builder.input("x\(index)", tensor.type, tensor.shape.dimensions.map(Dimension.known))
      }
      builder.output(builder.node(operatorCase.op, ids, attributes: operatorCase.attributes)[0])
      for threads in [1, 2] {
        let session = Session(try builder.program(), team: ThreadTeam(threads: threads))
        let output = try session.run(given)[0]
        #expect(output.type == operatorCase.expected.type)
        #expect(output.shape == operatorCase.expected.shape)
        if output.type == .float32 {
          let (actual, expected) = (output.array(of: Float.self), operatorCase.expected.array(of: Float.self))
          for (x, y) in zip(actual, expected) {
            #expect(
              x == y || (x.isNaN && y.isNaN) || abs(x - y) <= 1e-5 * max(1, abs(y)), "\(actual) \(expected)")
          }
        } else {
          #expect(output == operatorCase.expected)
        }
      }
    }
  }

  @Test func indexOutOfRangeNamesTheNode() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.known(3)])
    let indices = builder.input("i", .int64, [.known(1)])
    builder.output(builder.node("Gather", [x, indices])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    let error = EngineError.invalidOperation(
      node: "n0", op: "Gather", reason: "index 3 is out of range for an axis of 3 elements")
    #expect(throws: error) { try session.run([t([3], [1, 2, 3]), i([1], [3])]) }
  }
}
