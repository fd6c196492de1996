import Tensors
import Testing

@testable import GraphIR

/// One node between an input `x` and the output, and whether its rows stay independent.
struct RowCase: Sendable, CustomStringConvertible {
  let op: OperatorName
  let inputs: [String]
  let attributes: Attributes
  let isIndependent: Bool
  var outputs = 1
  /// Extents of the inputs; all of them are inputs of the graph.
  var types: [String: String] = [:]
  /// Inputs that are constant: int64 vectors, or float32 ones of a shape.
  var ints: [String: [Int]] = [:]
  var floats: [String: Shape] = [:]

  init(
    _ op: OperatorName, _ inputs: [String], _ isIndependent: Bool, _ attributes: Attributes = [:],
    types: [String: String] = ["x": "f32[n,4,6,6]"], ints: [String: [Int]] = [:],
    floats: [String: Shape] = [:], outputs: Int = 1
  ) {
    self.op = op
    self.inputs = inputs
    self.isIndependent = isIndependent
    self.attributes = attributes
    self.types = types
    self.ints = ints
    self.floats = floats
    self.outputs = outputs
  }

  var description: String { "\(op) \(types) \(attributes.entries.map(\.name)) \(ints)" }

  func reason() throws -> String? {
    var builder = GraphBuilder()
    for name in types.keys.sorted() { try builder.input(name, types[name]!) }
    for (name, values) in ints { try builder.constant(name, ints: values) }
    for (name, shape) in floats {
      builder.constant(name, try Tensor(shape: shape, [Float](repeating: 1, count: shape.elementCount)))
    }
    builder.node(op, inputs, (0..<outputs).map { "y\($0)" }, attributes)
    builder.output("y0")
    var graph = builder.graph
    try graph.inferTypes()
    return RowAnalysis.reasonAgainstBatching(graph)
  }
}

@Suite struct RowAnalysisTests {
  private static let matrix = ["x": "f32[n,4]"]
  private static let pair = ["x": "f32[n,4]", "z": "f32[n,4]"]
  private static let images = ["x": "f32[n,4,6,6]"]

  private static let cases: [RowCase] = [
    RowCase("Relu", ["x"], true),
    RowCase("Add", ["x", "z"], true, types: pair),
    RowCase("Add", ["x", "c"], true, types: matrix, floats: ["c": [4]]),
    RowCase("Add", ["x", "c"], true, types: matrix, floats: ["c": [1, 4]]),
    RowCase("Add", ["x", "c"], false, types: matrix, floats: ["c": [8, 4]]),
    // [n, 1, 4] against [n, 4] pairs each row with all rows.
    RowCase("Add", ["x", "z"], false, types: ["x": "f32[n,1,4]", "z": "f32[n,4]"]),
    RowCase("Add", ["x", "z"], false, types: ["x": "f32[n,4]", "z": "f32[m,4]"]),
    RowCase("Add", ["x", "z"], false, types: ["x": "f32[n,4]", "z": "f32[4]"]),
    RowCase("Relu", ["x"], false, types: ["x": "f32[1,4]"]),
    RowCase("Relu", ["x"], true, types: ["x": "f32[?,4]"]),
    RowCase("Softmax", ["x"], true, ["axis": .int(1)], types: matrix),
    RowCase("Softmax", ["x"], false, ["axis": .int(0)], types: matrix),
    RowCase("Softmax", ["x"], false, ["axis": .int(-2)], types: matrix),
    RowCase("LogSoftmax", ["x"], false, ["axis": .int(0)], types: matrix),
    RowCase("Hardmax", ["x"], false, ["axis": .int(0)], types: matrix),
    RowCase("LpNormalization", ["x"], false, ["axis": .int(0)], types: matrix),
    RowCase("ReduceSum", ["x", "a"], true, types: images, ints: ["a": [1, -1]]),
    RowCase("ReduceSum", ["x", "a"], false, types: images, ints: ["a": [0]]),
    RowCase("ReduceSum", ["x", "a"], false, types: images, ints: ["a": [-4]]),
    RowCase("ReduceMean", ["x"], false, types: images),
    RowCase("ReduceMax", ["x", "a"], true, ["keepdims": .int(0)], types: images, ints: ["a": [1]]),
    RowCase("ArgMax", ["x"], false, types: matrix),
    RowCase("ArgMax", ["x"], true, ["axis": .int(1)], types: matrix),
    RowCase("CumSum", ["x", "a"], false, types: matrix, ints: ["a": [0]]),
    RowCase("CumSum", ["x", "a"], true, types: matrix, ints: ["a": [1]]),
    RowCase("TopK", ["x", "k"], true, types: matrix, ints: ["k": [2]], outputs: 2),
    RowCase("TopK", ["x", "k"], false, ["axis": .int(0)], types: matrix, ints: ["k": [2]], outputs: 2),
    RowCase(
      "LayerNormalization", ["x", "s"], true, ["axis": .int(1)], types: matrix, floats: ["s": [4]]),
    RowCase(
      "LayerNormalization", ["x", "s"], false, ["axis": .int(0)], types: matrix, floats: ["s": [4]]),
    RowCase(
      "BatchNormalization", ["x", "c", "c", "c", "c"], true, types: images, floats: ["c": [4]]),
    RowCase(
      "BatchNormalization", ["x", "c", "c", "c", "c"], false, ["training_mode": .int(1)], types: images,
      floats: ["c": [4]], outputs: 3),
    RowCase("InstanceNormalization", ["x", "c", "c"], true, types: images, floats: ["c": [4]]),
    RowCase("MeanVarianceNormalization", ["x"], false, types: images),
    RowCase("MeanVarianceNormalization", ["x"], true, ["axes": .ints([1, 2, 3])], types: images),
    RowCase("Flatten", ["x"], true),
    RowCase("Flatten", ["x"], false, ["axis": .int(0)]),
    RowCase("Flatten", ["x"], false, ["axis": .int(2)]),
    RowCase("Reshape", ["x", "s"], true, ints: ["s": [0, -1]]),
    RowCase("Reshape", ["x", "s"], true, ints: ["s": [-1, 144]]),
    RowCase("Reshape", ["x", "s"], false, ints: ["s": [-1]]),
    RowCase("Reshape", ["x", "s"], false, ints: ["s": [-1, 36]]),
    RowCase("Reshape", ["x", "s"], false, ints: ["s": [-1, 288]]),
    RowCase("Reshape", ["x", "s"], false, ints: ["s": [12, -1]]),
    RowCase("Reshape", ["x", "s"], true, types: ["x": "f32[n,t,8]"], ints: ["s": [0, -1, 2]]),
    RowCase("Reshape", ["x", "s"], false, types: ["x": "f32[n,t,8]"], ints: ["s": [-1, 8]]),
    RowCase("Transpose", ["x"], true, ["perm": .ints([0, 2, 3, 1])]),
    RowCase("Transpose", ["x"], false, ["perm": .ints([1, 0, 2, 3])]),
    RowCase("Squeeze", ["x", "a"], true, types: ["x": "f32[n,1,4]"], ints: ["a": [1]]),
    RowCase("Squeeze", ["x", "a"], false, types: ["x": "f32[n,1,4]"], ints: ["a": [0]]),
    RowCase("Unsqueeze", ["x", "a"], true, types: matrix, ints: ["a": [1]]),
    RowCase("Unsqueeze", ["x", "a"], false, types: matrix, ints: ["a": [0]]),
    RowCase("Tile", ["x", "r"], true, types: matrix, ints: ["r": [1, 3]]),
    RowCase("Tile", ["x", "r"], false, types: matrix, ints: ["r": [2, 1]]),
    RowCase("Expand", ["x", "s"], true, types: ["x": "f32[n,1]"], ints: ["s": [1, 5]]),
    RowCase("Expand", ["x", "s"], false, types: ["x": "f32[n,1]"], ints: ["s": [5, 1, 1]]),
    RowCase("Pad", ["x", "p"], true, types: matrix, ints: ["p": [0, 1, 0, 1]]),
    RowCase("Pad", ["x", "p"], false, types: matrix, ints: ["p": [0, 1, 1, 0]]),
    RowCase("Concat", ["x", "z"], true, ["axis": .int(1)], types: pair),
    RowCase("Concat", ["x", "z"], false, ["axis": .int(0)], types: pair),
    RowCase("Concat", ["x", "c"], false, ["axis": .int(1)], types: matrix, floats: ["c": [3, 4]]),
    RowCase("Split", ["x"], true, ["axis": .int(1), "num_outputs": .int(2)], types: matrix, outputs: 2),
    RowCase("Split", ["x"], false, ["axis": .int(0), "num_outputs": .int(2)], types: matrix, outputs: 2),
    RowCase("Slice", ["x", "s", "e", "a"], true, types: matrix, ints: ["s": [1], "e": [3], "a": [1]]),
    RowCase("Slice", ["x", "s", "e", "a"], false, types: matrix, ints: ["s": [0], "e": [2], "a": [0]]),
    RowCase("Slice", ["x", "s", "e"], false, types: matrix, ints: ["s": [0], "e": [2]]),
    RowCase(
      "Slice", ["x", "s", "e", "a", "d"], false, types: matrix,
      ints: ["s": [-1], "e": [Int.min], "a": [0], "d": [-1]]),
    RowCase("Gather", ["x", "i"], true, ["axis": .int(1)], types: matrix, ints: ["i": [0, 2]]),
    RowCase("Gather", ["x", "i"], false, ["axis": .int(0)], types: matrix, ints: ["i": [0, 2]]),
    RowCase("Gather", ["c", "x"], true, types: ["x": "i64[n,7]"], floats: ["c": [50, 3]]),
    RowCase(
      "Gather", ["c", "x"], false, ["axis": .int(1)], types: ["x": "i64[n,7]"], floats: ["c": [50, 3]]),
    RowCase(
      "GatherElements", ["x", "z"], true, ["axis": .int(1)], types: ["x": "f32[n,4]", "z": "i64[n,2]"]),
    RowCase("GatherElements", ["x", "z"], false, types: ["x": "f32[n,4]", "z": "i64[n,2]"]),
    RowCase(
      "GatherND", ["x", "z"], true, ["batch_dims": .int(1)], types: ["x": "f32[n,4]", "z": "i64[n,1]"]),
    RowCase("GatherND", ["x", "z"], false, types: ["x": "f32[n,4]", "z": "i64[n,1]"]),
    RowCase(
      "ScatterND", ["x", "z", "u"], false,
      types: ["x": "f32[n,4]", "z": "i64[n,1]", "u": "f32[n,4]"]),
    RowCase("MatMul", ["x", "w"], true, types: matrix, floats: ["w": [4, 5]]),
    RowCase("MatMul", ["w", "x"], false, types: ["x": "f32[n,4]"], floats: ["w": [3, 8]]),
    RowCase("MatMul", ["x", "z"], true, types: ["x": "f32[n,3,4]", "z": "f32[n,4,2]"]),
    RowCase("MatMul", ["x", "z"], false, types: ["x": "f32[n,4]", "z": "f32[n,4,2]"]),
    RowCase("MatMul", ["x", "w"], false, types: ["x": "f32[n,3,4]"], floats: ["w": [5, 4, 2]]),
    RowCase("Gemm", ["x", "w"], true, types: matrix, floats: ["w": [4, 5]]),
    RowCase("Gemm", ["x", "w"], false, ["transA": .int(1)], types: matrix, floats: ["w": [7, 5]]),
    RowCase("Gemm", ["x", "w", "b"], false, types: matrix, floats: ["w": [4, 5], "b": [6, 5]]),
    RowCase("Einsum", ["x", "z"], true, ["equation": .string("bi,bj->bij")], types: pair),
    RowCase("Einsum", ["x", "z"], false, ["equation": .string("bi,bj->ij")], types: pair),
    RowCase("Einsum", ["x", "z"], false, ["equation": .string("bi,cj->bc")], types: pair),
    RowCase("Conv", ["x", "w"], true, types: images, floats: ["w": [2, 4, 3, 3]]),
    RowCase("MaxPool", ["x"], true, ["kernel_shape": .ints([2, 2])]),
    RowCase("MaxPool", ["x"], false, ["kernel_shape": .ints([2, 2])], outputs: 2),
    RowCase("Resize", ["x", "", "s"], true, floats: ["s": [4]]),
    RowCase("Resize", ["x", "", "", "s"], false, ints: ["s": [2, 4, 12, 12]]),
    RowCase("NonZero", ["x"], false, types: matrix),
    RowCase("Unique", ["x"], false, ["axis": .int(0)], types: matrix),
    RowCase("DynamicQuantizeLinear", ["x"], false, types: matrix, outputs: 3),
    RowCase("QuantizeLinear", ["x", "s"], true, types: matrix, floats: ["s": []]),
    RowCase("QuantizeLinear", ["x", "s"], true, ["axis": .int(1)], types: matrix, floats: ["s": [4]]),
    RowCase("QuantizeLinear", ["x", "s"], false, ["axis": .int(0)], types: matrix, floats: ["s": [4]]),
    RowCase("RandomNormalLike", ["x"], false, types: matrix),
    RowCase("Bernoulli", ["x"], false, types: matrix),
    RowCase("EyeLike", ["x"], false, types: matrix),
    RowCase("Trilu", ["x"], true),
    RowCase("Trilu", ["x"], false, types: matrix),
    RowCase("DepthToSpace", ["x"], true, ["blocksize": .int(2)]),
    RowCase("OneHot", ["x", "d", "v"], true, types: ["x": "i64[n]"], ints: ["d": [3]], floats: ["v": [2]]),
    RowCase(
      "OneHot", ["x", "d", "v"], false, ["axis": .int(0)], types: ["x": "i64[n]"], ints: ["d": [3]],
      floats: ["v": [2]]),
    RowCase("Where", ["x", "z", "c"], true, types: ["x": "bool[n,1]", "z": "f32[n,4]"], floats: ["c": [4]]),
    RowCase(
      "LSTM", ["x", "w", "r"], false, ["hidden_size": .int(2)], types: ["x": "f32[n,3,4]"],
      floats: ["w": [1, 8, 4], "r": [1, 8, 2]]),
    RowCase(
      "LSTM", ["x", "w", "r"], true, ["hidden_size": .int(2), "layout": .int(1)],
      types: ["x": "f32[n,3,4]"], floats: ["w": [1, 8, 4], "r": [1, 8, 2]]),
    RowCase(
      "ReverseSequence", ["x", "z"], true, ["batch_axis": .int(0), "time_axis": .int(1)],
      types: ["x": "f32[n,4]", "z": "i64[n]"]),
    RowCase(
      "ReverseSequence", ["x", "z"], false, ["batch_axis": .int(1), "time_axis": .int(0)],
      types: ["x": "f32[n,4]", "z": "i64[n]"]),
    RowCase("NotAnOperator", ["x"], false, types: matrix),
  ]

  @Test(arguments: cases) func ruleOfOneOperator(_ row: RowCase) throws {
    let reason = try row.reason()
    #expect((reason == nil) == row.isIndependent, "\(reason ?? "independent")")
  }
}
