import Tensors
import Testing

@testable import GraphIR

/// Rows through whole graphs: sizes, other axes, sub-graphs.
@Suite struct RowAnalysisGraphTests {
  private func reason(_ build: (inout GraphBuilder) throws -> Void) throws -> String? {
    var builder = GraphBuilder()
    try build(&builder)
    builder.output("y")
    var graph = builder.graph
    try graph.inferTypes()
    return RowAnalysis.reasonAgainstBatching(graph)
  }

  @Test func timeFirstInside() throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,t,4]")
      try builder.constant("w", [Float](repeating: 1, count: 32), [1, 8, 4])
      try builder.constant("r", [Float](repeating: 1, count: 16), [1, 8, 2])
      builder.node("Transpose", ["x"], ["s"], ["perm": .ints([1, 0, 2])])
      builder.node("LSTM", ["s", "w", "r"], ["all", "last"], ["hidden_size": .int(2)])
      builder.node("Transpose", ["last"], ["y"], ["perm": .ints([1, 0, 2])])
    }
    #expect(reason == nil)
  }

  /// Batch and heads share an axis between two reshapes, as multi-head attention does.
  @Test(arguments: [2, 3]) func batchAndHeadsInOneAxis(back: Int) throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,2,5]")
      try builder.constant("heads", ints: [-1, 5])
      try builder.constant("back", ints: back == 2 ? [-1, 2, 5] : [-1, 5, 2])
      builder.node("Reshape", ["x", "heads"], ["h"])
      builder.node("Softmax", ["h"], ["s"])
      builder.node("Reshape", ["s", "back"], ["y"])
    }
    #expect(reason == nil)
  }

  @Test func aTokenExpandedToTheBatch() throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,3,4]")
      try builder.constant("zero", ints: [0])
      try builder.constant("rest", ints: [1, 4])
      try builder.constant("token", [1, 2, 3, 4], [1, 1, 4])
      builder.node("Shape", ["x"], ["shape"])
      builder.node("Gather", ["shape", "zero"], ["n"])
      builder.node("Concat", ["n", "rest"], ["wanted"], ["axis": .int(0)])
      builder.node("Expand", ["token", "wanted"], ["t"])
      builder.node("Concat", ["t", "x"], ["y"], ["axis": .int(1)])
    }
    #expect(reason == nil)
  }

  /// `x[arange(batch), i]` picks from each row what belongs to it; `x[i]` and `x[arange(batch) + i]` do not.
  @Test(arguments: [("own", true), ("other", false), ("shifted", false)])
  func placesOfRows(first: String, isIndependent: Bool) throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,5]")
      try builder.input("i", "i64[n,1]")
      try builder.constant("zero", ints: [0])
      try builder.constant("last", ints: [1])
      builder.constant("start", try Tensor(scalar: 0))
      builder.constant("step", try Tensor(scalar: 1))
      builder.node("Shape", ["x"], ["size"], ["end": .int(1)])
      builder.node("Squeeze", ["size", "zero"], ["n"])
      builder.node("Range", ["start", "n", "step"], ["places"])
      builder.node("Unsqueeze", ["places", "last"], ["own"])
      builder.node("Add", ["own", "i"], ["shifted"])
      builder.node("Identity", ["i"], ["other"])
      builder.node("Concat", [first, "i"], ["indices"], ["axis": .int(1)])
      builder.node("GatherND", ["x", "indices"], ["y"])
    }
    #expect((reason == nil) == isIndependent, "\(reason ?? "independent")")
  }

  /// What is computed with the batch size is not the same alone and in a batch.
  @Test(arguments: ["Mul", "Div"]) func dataMeetTheBatchSize(op: String) throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,4]")
      builder.node("Shape", ["x"], ["shape"], ["end": .int(1)])
      builder.node("Cast", ["shape"], ["size"], ["to": .int(1)])
      builder.node(OperatorName(type: op), ["x", "size"], ["y"])
    }
    #expect(reason != nil)
  }

  @Test func theBatchSizePlusOne() throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,4]")
      try builder.constant("one", ints: [1])
      try builder.constant("axis", ints: [0])
      builder.node("Shape", ["x"], ["shape"], ["end": .int(1)])
      builder.node("Sub", ["shape", "one"], ["last"])
      builder.node("Slice", ["x", "last", "shape", "axis"], ["y"])
    }
    #expect(reason?.contains("Slice") == true)
  }

  /// The mean by hand, and the mean of each row.
  @Test(arguments: [(0, false), (1, true)]) func centring(axis: Int, isIndependent: Bool) throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,4]")
      try builder.constant("axes", ints: [axis])
      builder.node("ReduceMean", ["x", "axes"], ["mean"])
      builder.node("Sub", ["x", "mean"], ["y"])
    }
    #expect((reason == nil) == isIndependent)
  }

  @Test func inputsWithoutABatch() throws {
    let scalar = try reason { builder in
      try builder.input("x", "f32[n,4]")
      try builder.input("s", "f32[]")
      builder.node("Mul", ["x", "s"], ["y"])
    }
    #expect(scalar == "input 's' has no axis for a batch")
    let fixed = try reason { builder in
      try builder.input("x", "f32[1,4]")
      builder.node("Relu", ["x"], ["y"])
    }
    #expect(fixed == "the first extent of input 'x' is always 1")
  }

  /// A branch sees rows of the graph around it; the condition must be the same for all.
  @Test(arguments: [("Relu", true), ("Trilu", false)]) func branches(op: String, isIndependent: Bool) throws {
    let reason = try reason { builder in
      try builder.input("x", "f32[n,4]")
      builder.constant("c", try Tensor(shape: [], [true]))
      func branch(_ op: OperatorName) -> Graph {
        var inner = GraphBuilder()
        inner.node(op, ["x"], ["r"])
        inner.output("r")
        inner.graph.captures = [Capture(outer: builder.id("x"), inner: inner.id("x"))]
        return inner.graph
      }
      builder.node(
        "If", ["c"], ["y"],
        ["then_branch": .graph(branch("Tanh")), "else_branch": .graph(branch(OperatorName(type: op)))])
    }
    #expect((reason == nil) == isIndependent)
  }
}
