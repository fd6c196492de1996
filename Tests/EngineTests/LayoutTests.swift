import GraphIR
import Tensors
import Testing

@testable import Engine

/// Networks whose convolutions take images with their channels last: results are those of the graph as written.
@Suite struct LayoutTests {
  private static func run(_ program: Program, threads: Int, _ input: Tensor) throws -> [Float] {
    try Session(program, team: ThreadTeam(threads: threads)).run([input])[0].array(of: Float.self)
  }

  /// Compares with the graph as written, for one thread and several, and for each image by itself.
  static func check(_ builder: GraphBuilder, _ shape: Shape, seed: UInt64 = 21) throws -> Program {
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    var numbers = NumberSequence(seed: seed)
    let input = try numbers.tensor(shape)
    let (own, expected) = (try run(fused, threads: 1, input), try run(plain, threads: 1, input))
    // Winograd's error is relative to the largest sums.
    let bound = 1e-5 * expected.reduce(1) { max($0, abs($1)) }
    let isEqual = own.count == expected.count && zip(own, expected).allSatisfy { abs($0 - $1) <= bound }
    #expect(isEqual)
    for threads in 2...3 {
      let same = try run(fused, threads: threads, input) == own
      #expect(same)
    }
    let size = shape.elementCount / shape[0]
    let elements = input.array(of: Float.self)
    let single = Shape([1] + shape.dimensions.dropFirst())
    for row in 0..<shape[0] {
      let image = try Tensor(shape: single, Array(elements[(row * size)..<((row + 1) * size)]))
      let part = own.count / shape[0]
      let same = try run(fused, threads: 1, image) == Array(own[(row * part)..<((row + 1) * part)])
      #expect(same)
    }
    return fused
  }

  private static func image(_ builder: inout GraphBuilder, _ extents: Int...) -> ValueID {
    builder.input("x", .float32, [.symbol("n")] + extents.map(Dimension.known))
  }

  private static func operators(_ program: Program) -> [OperatorName] { program.nodes.map(\.node.op) }

  struct Window: Sendable, CustomStringConvertible {
    var channels = 6
    var filters = 16
    var group = 1
    var size = [13, 11]
    var kernel = [3, 3]
    var attributes: [(String, [Int])] = []
    var autoPad: String?
    var description: String { "\(channels) > \(filters)/\(group) \(kernel) \(attributes)" }
  }

  static let windows = [
    Window(), Window(channels: 16, filters: 24, attributes: [("pads", [1, 1, 1, 1])]),
    Window(channels: 3, attributes: [("strides", [2, 2]), ("pads", [0, 1, 2, 3])]),
    Window(kernel: [1, 1]), Window(kernel: [1, 1], attributes: [("strides", [2, 3])]),
    Window(kernel: [5, 2], attributes: [("dilations", [2, 3])]),
    Window(filters: 6, group: 6, attributes: [("pads", [1, 1, 1, 1])]),
    Window(filters: 12, group: 6), Window(channels: 8, filters: 20, group: 4, kernel: [1, 1]),
    Window(channels: 40, filters: 40, size: [7, 7], attributes: [("pads", [1, 1, 1, 1])]),
    Window(kernel: [4, 4], attributes: [("strides", [2, 2])], autoPad: "SAME_LOWER"),
    Window(channels: 5, filters: 9, size: [40], kernel: [7], attributes: [("pads", [3, 3])]),
    Window(channels: 16, filters: 16, size: [33], kernel: [3], attributes: [("strides", [2])]),
  ]

  /// A convolution between two others, so that its input and output are in the new layout.
  @Test(arguments: windows) func windowsBetweenOthers(_ window: Window) throws {
    var numbers = NumberSequence(seed: 22)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(5)] + window.size.map(Dimension.known))
    let ones = window.size.map { _ in 1 }
    let first = builder.node(
      "Conv", [x, builder.constant(try numbers.tensor(Shape([window.channels, 5] + ones)))])[0]
    var attributes: Attributes = ["group": .int(window.group)]
    for (name, values) in window.attributes { attributes[name] = .ints(values) }
    if let autoPad = window.autoPad { attributes["auto_pad"] = .string(autoPad) }
    let weight = try numbers.tensor(Shape([window.filters, window.channels / window.group] + window.kernel))
    let inner = builder.node(
      "Conv", [first, builder.constant(weight), builder.constant(try numbers.tensor([window.filters]))],
      attributes: attributes)[0]
    let relu = builder.node("Relu", [inner])[0]
    let last = try numbers.tensor(Shape([4, window.filters] + ones))
    builder.output(builder.node("Conv", [relu, builder.constant(last)])[0])
    let program = try Self.check(builder, Shape([2, 5] + window.size))
    let operators = Self.operators(program)
    #expect(operators.filter { $0 == FusedOperator.convNHWC }.count == 3)
    #expect(operators.filter { $0 == "Transpose" }.count == 2)
  }

  /// What stands between convolutions moves with them; each case is one operator that takes x and gives an image.
  static let followers: [(String, @Sendable (inout GraphBuilder, ValueID) throws -> ValueID)] = [
    ("Sigmoid", { builder, x in builder.node("Sigmoid", [x])[0] }),
    (
      "Clip",
      { builder, x in
        builder.node("Clip", [x, builder.constant(try Tensor(scalar: Float(0.1)))])[0]
      }
    ),
    (
      "Mul",
      { builder, x in
        var numbers = NumberSequence(seed: 23)
        return builder.node("Mul", [x, builder.constant(try numbers.tensor([8, 1, 1]))])[0]
      }
    ),
    (
      "PRelu",
      { builder, x in
        var numbers = NumberSequence(seed: 24)
        return builder.node("PRelu", [x, builder.constant(try numbers.tensor([1, 8, 1, 1]))])[0]
      }
    ),
    (
      "Concat",
      { builder, x in
        builder.node("Concat", [x, builder.node("Neg", [x])[0], x], attributes: ["axis": .int(-3)])[0]
      }
    ),
    (
      "Split",
      { builder, x in
        let parts = builder.node(
          "Split", [x], outputs: 2, attributes: ["axis": .int(1), "num_outputs": .int(2)])
        return builder.node("Mul", parts)[0]
      }
    ),
    ("Softmax", { builder, x in builder.node("Softmax", [x], attributes: ["axis": .int(1)])[0] }),
    (
      "ReduceMax",
      { builder, x in
        let axes = builder.constant(try Tensor(shape: [1], [1]))
        return builder.node("Sub", [x, builder.node("ReduceMax", [x, axes])[0]])[0]
      }
    ),
    (
      "Slice",
      { builder, x in
        let bounds = try [[1, 2], [7, 9], [1, -2]].map { builder.constant(try Tensor(shape: [2], $0)) }
        return builder.node("Slice", [x] + bounds)[0]
      }
    ),
    (
      "Pad",
      { builder, x in
        builder.node("Pad", [x, builder.constant(try Tensor(shape: [8], [0, 1, 2, 0, 0, 0, 1, 3]))])[0]
      }
    ),
    (
      "Resize",
      { builder, x in
        let scales = builder.constant(try Tensor(shape: [4], [Float(1), 1, 2, 3]))
        return builder.node("Resize", [x, .none, scales], attributes: ["mode": .string("linear")])[0]
      }
    ),
    (
      "MaxPool",
      { builder, x in
        builder.node(
          "MaxPool", [x],
          attributes: [
            "kernel_shape": .ints([3, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 0, 1, 1]),
            "ceil_mode": .int(1),
          ])[0]
      }
    ),
    (
      "AveragePool",
      { builder, x in
        builder.node(
          "AveragePool", [x],
          attributes: [
            "kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1]), "count_include_pad": .int(1),
          ])[0]
      }
    ),
    (
      "GlobalAveragePool",
      { builder, x in
        builder.node("Mul", [x, builder.node("GlobalAveragePool", [x])[0]])[0]
      }
    ),
    ("GlobalMaxPool", { builder, x in builder.node("Add", [x, builder.node("GlobalMaxPool", [x])[0]])[0] }),
    (
      "LRN",
      { builder, x in builder.node("LRN", [x], attributes: ["size": .int(4), "bias": .float(0.5)])[0] }
    ),
    (
      "BatchNormalization",
      { builder, x in
        var numbers = NumberSequence(seed: 25)
        let parameters = try (0..<3).map { _ in builder.constant(try numbers.tensor([8])) }
        let variance = try Tensor(shape: [8], (0..<8).map { _ in abs(numbers.next()) + 0.5 })
        return builder.node("BatchNormalization", [x] + parameters + [builder.constant(variance)])[0]
      }
    ),
    (
      "Transpose",
      { builder, x in
        let there = builder.node("Transpose", [x], attributes: ["perm": .ints([0, 2, 3, 1])])[0]
        let tanh = builder.node("Tanh", [there])[0]
        return builder.node("Transpose", [tanh], attributes: ["perm": .ints([0, 3, 1, 2])])[0]
      }
    ),
    (
      "shuffle",
      { builder, x in
        let split = builder.constant(try Tensor(shape: [5], [-1, 2, 4, 10, 12]))
        let groups = builder.node("Reshape", [x, split])[0]
        let swapped = builder.node("Transpose", [groups], attributes: ["perm": .ints([0, 2, 1, 3, 4])])[0]
        return builder.node(
          "Reshape", [swapped, builder.constant(try Tensor(shape: [4], [-1, 8, 10, 12]))])[0]
      }
    ),
  ]

  @Test(arguments: followers.map(\.0)) func followersMove(_ name: String) throws {
    let follower = Self.followers.first { $0.0 == name }!.1
    var numbers = NumberSequence(seed: 26)
    var builder = GraphBuilder()
    let x = Self.image(&builder, 6, 10, 12)
    let weight = builder.constant(try numbers.tensor([8, 6, 3, 3]))
    let first = builder.node("Conv", [x, weight], attributes: ["pads": .ints([1, 1, 1, 1])])[0]
    // Read twice, so that nothing is joined with the convolution.
    let relu = builder.node("Relu", [first])[0]
    let image = try follower(&builder, builder.node("Add", [relu, first])[0])
    let channels = ["Concat": 24, "Split": 4, "Slice": 6, "Pad": 9][name] ?? 8
    let last = builder.constant(try numbers.tensor([5, channels, 2, 2]))
    builder.output(builder.node("Conv", [image, last])[0])
    let program = try Self.check(builder, [2, 6, 10, 12])
    // Only to the layout and back, and within the shuffle.
    #expect(Self.operators(program).filter { $0 == "Transpose" }.count == (name == "shuffle" ? 3 : 2))
  }

  /// Bottleneck blocks: the sum and its activation are computed with the last convolution.
  @Test func residuals() throws {
    var numbers = NumberSequence(seed: 27)
    var builder = GraphBuilder()
    var value = Self.image(&builder, 8, 9, 9)
    for block in 0..<2 {
      let inner = builder.node(
        "Conv", [value, builder.constant(try numbers.tensor([12, 8, 3, 3]))],
        attributes: ["pads": .ints([1, 1, 1, 1])])[0]
      let outer = builder.node(
        "Conv", [builder.node("Relu", [inner])[0], builder.constant(try numbers.tensor([8, 12, 1, 1]))])[0]
      let shortcut =
        block == 0
        ? builder.node("Conv", [value, builder.constant(try numbers.tensor([8, 8, 1, 1]))])[0] : value
      value = builder.node("Relu", [builder.node(block == 0 ? "Sum" : "Add", [outer, shortcut])[0]])[0]
    }
    builder.output(builder.node("Flatten", [builder.node("GlobalAveragePool", [value])[0]])[0])
    let program = try Self.check(builder, [3, 8, 9, 9])
    let operators = Self.operators(program)
    #expect(!operators.contains("Add") && !operators.contains("Sum") && !operators.contains("Relu"))
    #expect(program.nodes.filter { $0.node.hasInput(3) }.count == 2)
    #expect(operators.filter { $0 == "Transpose" }.count == 1)
  }

  /// The first layer reads the input as it is, and what is one pixel needs no transposition.
  @Test func bordersCostNothing() throws {
    var numbers = NumberSequence(seed: 28)
    var builder = GraphBuilder()
    let x = Self.image(&builder, 3, 12, 12)
    let first = builder.node("Conv", [x, builder.constant(try numbers.tensor([8, 3, 3, 3]))])[0]
    let mean = builder.node("GlobalAveragePool", [builder.node("Relu", [first])[0]])[0]
    builder.output(builder.node("Flatten", [mean])[0])
    let operators = Self.operators(try Self.check(builder, [2, 3, 12, 12]))
    #expect(operators == [FusedOperator.convNHWC, FusedOperator.globalAveragePoolNHWC, "Reshape", "Flatten"])
  }

  /// Weights that only the run knows, or of float64, keep the old way.
  @Test func otherConvolutionsStay() throws {
    var builder = GraphBuilder()
    let x = Self.image(&builder, 3, 12, 12)
    let weight = builder.input("w", .float32, [.known(8), .known(3), .known(3), .known(3)])
    builder.output(builder.node("Conv", [x, weight])[0])
    #expect(try Self.operators(builder.program()) == ["Conv"])
  }

  /// A sub-graph reads what a convolution gives in its own order.
  @Test func subgraphsReadTheirOrder() throws {
    var numbers = NumberSequence(seed: 29)
    var builder = GraphBuilder()
    let x = Self.image(&builder, 6, 8, 7)
    let first = builder.node("Conv", [x, builder.constant(try numbers.tensor([8, 6, 3, 3]))])[0]
    var bodies: [Graph] = []
    for op in ["Neg", "Abs"] {
      var body = Graph(name: op)
      let inner = body.addValue(Value(name: "inner"))
      let result = body.addValue(Value(name: "result"))
      body.captures = [Capture(outer: first, inner: inner)]
      body.nodes = [Node(name: op, op: OperatorName(type: op), inputs: [inner], outputs: [result])]
      body.outputs = [result]
      bodies.append(body)
    }
    let mean = builder.node("ReduceMean", [x], attributes: ["keepdims": .int(0)])[0]
    let isLarge = builder.node("Greater", [mean, builder.constant(try Tensor(scalar: Float(0)))])[0]
    let chosen = builder.node(
      "If", [isLarge], attributes: ["then_branch": .graph(bodies[0]), "else_branch": .graph(bodies[1])])[0]
    let sum = builder.node("Add", [first, chosen])[0]
    builder.output(builder.node("Conv", [sum, builder.constant(try numbers.tensor([4, 8, 3, 3]))])[0])
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    let image = try numbers.tensor([1, 6, 8, 7])
    let (own, expected) = (try Self.run(fused, threads: 1, image), try Self.run(plain, threads: 1, image))
    let bound = 1e-5 * expected.reduce(1) { max($0, abs($1)) }
    let isEqual = own.count == expected.count && zip(own, expected).allSatisfy { abs($0 - $1) <= bound }
    #expect(isEqual)
    #expect(Self.operators(fused).contains(FusedOperator.convNHWC))
  }
}
