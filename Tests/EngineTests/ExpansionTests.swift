import GraphIR
import Tensors
import Testing

@testable import Engine

/// Operators that are replaced by others before a model is compiled.
@Suite struct ExpansionTests {
  private func run(_ builder: GraphBuilder, _ inputs: [Tensor]) throws -> [Tensor] {
    try Session(try builder.program(), team: ThreadTeam(threads: 1)).run(inputs)
  }

  // MARK: If

  /// Adds a branch that applies `op` to `x` with the constant `operand`.
  private func branch(_ op: OperatorName, _ x: ValueID, _ operand: Tensor?) -> Graph {
    var body = Graph(name: op.type)
    let inner = body.addValue(Value(name: "x"))
    let result = body.addValue(Value(name: "result"))
    let constant = operand.map { body.addValue(Value(name: "operand", constant: $0)) }
    body.captures = [Capture(outer: x, inner: inner)]
    body.nodes = [
      Node(name: op.type, op: op, inputs: [inner] + (constant.map { [$0] } ?? []), outputs: [result])
    ]
    body.outputs = [result]
    return body
  }

  /// The branch that is not taken squeezes an axis of three elements, or has an operator that nobody knows.
  @Test(arguments: [true, false]) func deadBranchesAreNotLookedAt(isUnknown: Bool) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(3)])
    let extent = builder.node("Gather", [builder.node("Shape", [x])[0], builder.constant(scalar(1))])
    let isOne = builder.node("Equal", extent + [builder.constant(scalar(1))])
    let dead = isUnknown ? branch("Nonsense", x, nil) : branch("Squeeze", x, ints(1))
    let chosen = builder.node(
      "If", isOne, attributes: ["then_branch": .graph(dead), "else_branch": .graph(branch("Abs", x, nil))])
    builder.output(builder.node("Neg", chosen)[0])
    let program = try builder.program()
    #expect(program.nodes.map(\.node.op) == ["Abs", "Neg"])
    let result = try Session(program, team: ThreadTeam(threads: 1)).run([floats([1, 3], [1, -2, 3])])
    #expect(result == [floats([1, 3], [-1, -2, -3])])
  }

  /// The inner condition is a constant of the graph around both.
  @Test func nestedConditionsAreFollowed() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.unknown])
    let yes = builder.constant(try Tensor(scalar: true))
    var outer = Graph(name: "outer")
    let flag = outer.addValue(Value(name: "flag"))
    let inner = outer.addValue(Value(name: "inner_x"))
    outer.captures = [Capture(outer: yes, inner: flag), Capture(outer: x, inner: inner)]
    let result = outer.addValue(Value(name: "nested"))
    outer.nodes = [
      Node(
        name: "inner", op: "If", inputs: [flag], outputs: [result],
        attributes: [
          "then_branch": .graph(branch("Neg", inner, nil)),
          "else_branch": .graph(branch("Nonsense", inner, nil)),
        ])
    ]
    outer.outputs = [result]
    let chosen = builder.node(
      "If", [yes],
      attributes: ["then_branch": .graph(outer), "else_branch": .graph(branch("Nonsense", x, nil))])
    builder.output(chosen[0])
    #expect(try run(builder, [floats([2], [1, 2])]) == [floats([2], [-1, -2])])
  }

  /// An unknown operator in a branch that may be taken is an error.
  @Test func openConditionsKeepBothBranches() throws {
    var builder = GraphBuilder()
    let flag = builder.input("flag", .bool, [])
    let x = builder.input("x", .float32, [.unknown])
    let chosen = builder.node(
      "If", [flag],
      attributes: [
        "then_branch": .graph(branch("Abs", x, nil)), "else_branch": .graph(branch("Nonsense", x, nil)),
      ])
    builder.output(chosen[0])
    #expect(throws: EngineError.self) { try builder.program() }
  }

  // MARK: FlexAttention

  private static let flexAttention = OperatorName(domain: "ai.onnx.preview", type: "FlexAttention")

  private func modifier(_ op: OperatorName, _ operand: Float) throws -> Attribute {
    var body = Graph(name: "modifier")
    let input = body.addValue(Value(name: "scores"))
    let constant = body.addValue(Value(name: "constant", constant: try Tensor(scalar: operand)))
    let output = body.addValue(Value(name: "changed"))
    body.inputs = [input]
    body.outputs = [output]
    body.nodes = [Node(name: "change", op: op, inputs: [input, constant], outputs: [output])]
    return .graph(body)
  }

  /// Without modifiers it is Attention, for shared key heads too, whether head counts are known or not.
  @Test(arguments: [1, 2], [true, false]) func flexAttention(keyHeads: Int, isKnown: Bool) throws {
    var numbers = NumberSequence(seed: 11)
    let q = try numbers.tensor([2, 4, 3, 5])
    let k = try numbers.tensor([2, keyHeads, 6, 5])
    let v = try numbers.tensor([2, keyHeads, 6, 2])
    var builder = GraphBuilder()
    let inputs = [("q", q), ("k", k), ("v", v)].map { name, tensor in
      builder.input(
        name, .float32, tensor.shape.dimensions.map { isKnown ? .known($0) : .unknown })
    }
    builder.output(builder.node(Self.flexAttention, inputs)[0])
    let actual = try run(builder, [q, k, v])[0]
    let expected = try OperatorRunner.run("Attention", [q, k, v])[0]
    #expect(actual.shape == expected.shape)
    #expect(
      zip(actual.array(of: Float.self), expected.array(of: Float.self)).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  /// A score that is multiplied by 0 gives all keys the same share; the shares are doubled.
  @Test func modifiersTakePart() throws {
    var builder = GraphBuilder()
    let inputs = ["q", "k", "v"].map {
      builder.input($0, .float32, [.unknown, .unknown, .unknown, .unknown])
    }
    let result = builder.node(
      Self.flexAttention, inputs,
      attributes: ["score_mod": try modifier("Mul", 0), "prob_mod": try modifier("Add", 0.5)])
    builder.output(result[0])
    let q = floats([1, 1, 1, 1], [3])
    let k = floats([1, 1, 2, 1], [5, 7])
    #expect(try run(builder, [q, k, floats([1, 1, 2, 1], [10, 20])]) == [floats([1, 1, 1, 1], [30])])
  }

  // MARK: Gradient

  private static let gradient = OperatorName(domain: "ai.onnx.preview.training", type: "Gradient")

  /// Compares the gradient of the sum of `make`'s result with differences, for each element of each input.
  private func check(
    _ inputs: [Tensor], isKnown: Bool = true, _ make: (inout GraphBuilder, [ValueID]) -> ValueID
  ) throws {
    var builder = GraphBuilder()
    let ids = inputs.enumerated().map { index, tensor in
      builder.input(
        "x\(index)", tensor.type,
        tensor.shape.dimensions.enumerated().map { isKnown ? .known($1) : .symbol("d\(index)_\($0)") })
    }
    let y = make(&builder, ids)
    var plain = builder
    plain.output(y)
    let names = ids.map { builder.graph[$0].name }
    let gradients = builder.node(
      Self.gradient, ids, outputs: inputs.count,
      attributes: ["xs": .strings(names), "y": .string(builder.graph[y].name)])
    for gradient in gradients { builder.output(gradient) }
    let actual = try run(builder, inputs)
    let session = Session(try plain.program(), team: ThreadTeam(threads: 1))
    func total(_ inputs: [Tensor]) throws -> Double {
      try session.run(inputs)[0].array(of: Double.self).reduce(0, +)
    }
    for (index, tensor) in inputs.enumerated() {
      let values = tensor.array(of: Double.self)
      let found = actual[index].array(of: Double.self)
      #expect(actual[index].shape == tensor.shape)
      for element in values.indices {
        let sides = try [1e-5, -1e-5].map { step in
          var moved = values
          moved[element] += step
          var all = inputs
          all[index] = try Tensor(shape: tensor.shape, moved)
          return try total(all)
        }
        let expected = (sides[0] - sides[1]) / 2e-5
        #expect(abs(found[element] - expected) < 1e-4 * max(1, abs(expected)), "input \(index) [\(element)]")
      }
    }
  }

  private func doubles(_ shape: Shape, _ seed: UInt64) throws -> Tensor {
    var numbers = NumberSequence(seed: seed)
    return try Tensor(shape: shape, (0..<shape.elementCount).map { _ in Double(numbers.next()) + 1.25 })
  }

  @Test(arguments: [
    "Neg", "Abs", "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Erf", "Relu", "Sigmoid", "Tanh",
    "Softplus",
    "Softmax", "LogSoftmax", "Identity", "Transpose", "ReduceSum", "ReduceMean",
  ])
  func gradientsOfFunctions(_ name: String) throws {
    // Squared, so that the gradient that comes back is not 1 everywhere.
    try check([try doubles([2, 3], 1)]) { builder, x in
      let y = builder.node(OperatorName(type: name), x)[0]
      return builder.node("Mul", [y, y])[0]
    }
  }

  /// Broadcast along known and unknown axes.
  @Test(arguments: ["Add", "Sub", "Mul", "Div", "Pow", "Sum"], [true, false])
  func gradientsOfPairs(_ name: String, isKnown: Bool) throws {
    try check([try doubles([2, 1, 3], 1), try doubles([4, 1], 2)], isKnown: isKnown) { builder, x in
      builder.node(OperatorName(type: name), x)[0]
    }
  }

  @Test func gradientsOfProducts() throws {
    try check([try doubles([2, 2, 3], 1), try doubles([3, 4], 2)]) { builder, x in
      let y = builder.node("MatMul", x)[0]
      return builder.node("Mul", [y, y])[0]
    }
    for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
      let a = try doubles(first == 0 ? [2, 3] : [3, 2], 1)
      let b = try doubles(second == 0 ? [3, 4] : [4, 3], 2)
      try check([a, b, try doubles([4], 3)]) { builder, x in
        let y = builder.node(
          "Gemm", x,
          attributes: [
            "transA": .int(first), "transB": .int(second), "alpha": .float(0.5), "beta": .float(2),
          ])[0]
        return builder.node("Mul", [y, y])[0]
      }
    }
  }

  @Test func gradientsOfRearrangements() throws {
    try check([try doubles([2, 3], 1), try doubles([2, 1], 2)]) { builder, x in
      let joined = builder.node("Concat", x, attributes: ["axis": .int(-1)])[0]
      let flat = builder.node("Reshape", [joined, builder.constant(ints(-1))])[0]
      let turned = builder.node("Unsqueeze", [flat, builder.constant(ints(0))])[0]
      return builder.node("Mul", [turned, turned])[0]
    }
  }

  /// The gradient of a gradient: the second derivative of x³ is 6 x.
  @Test func gradientsOfGradients() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [])
    let square = builder.node("Mul", [x, x])[0]
    let cube = builder.node("Mul", [square, x])[0]
    let first = builder.node(
      Self.gradient, [x], attributes: ["xs": .strings(["x"]), "y": .string(builder.graph[cube].name)])[0]
    let second = builder.node(
      Self.gradient, [x], attributes: ["xs": .strings(["x"]), "y": .string(builder.graph[first].name)])[0]
    builder.output(first, second)
    #expect(try run(builder, [floats([], [2])]) == [floats([], [12]), floats([], [12])])
  }

  /// The values at which it is taken may be others than the graph's own.
  @Test func gradientAtAnotherPlace() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [])
    let other = builder.input("other", .float32, [])
    let y = builder.node("Mul", [x, x])[0]
    let gradient = builder.node(
      Self.gradient, [other], attributes: ["xs": .strings(["x"]), "y": .string(builder.graph[y].name)])[0]
    builder.output(y, gradient)
    #expect(try run(builder, [floats([], [2]), floats([], [5])]) == [floats([], [4]), floats([], [10])])
  }

  @Test func operatorsWithoutGradientAreNamed() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.known(3)])
    let y = builder.node("Gelu", [x])[0]
    let gradient = builder.node(
      Self.gradient, [x], attributes: ["xs": .strings(["x"]), "y": .string(builder.graph[y].name)])[0]
    builder.output(gradient)
    #expect { try builder.program() } throws: { "\($0)".contains("operator Gelu") }
  }
}
