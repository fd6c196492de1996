import GraphIR
import Tensors
import Testing

@testable import Engine

/// Files with DequantizeLinear and QuantizeLinear around each operator run in integers from one to the next.
@Suite struct QuantizedChainTests {
  /// A graph in the making whose values are quantized tensors.
  private struct Chain {
    var builder = GraphBuilder()
    var numbers = NumberSequence(seed: 5)
    let element: ElementType

    init(_ element: ElementType = .uint8) { self.element = element }

    mutating func input(_ shape: Shape) -> ValueID {
      builder.input("x", .float32, shape.dimensions.map(Dimension.known))
    }

    mutating func node(_ op: OperatorName, _ inputs: [ValueID], _ attributes: Attributes = [:]) -> ValueID {
      builder.node(op, inputs, attributes: attributes)[0]
    }

    mutating func point(_ value: Int) throws -> ValueID {
      builder.constant(
        element == .int8
          ? try Tensor(scalar: Int8(value - 128)) : try Tensor(scalar: UInt8(value)))
    }

    /// `x` quantized and dequantized.
    mutating func pair(_ x: ValueID, scale: Float, point value: Int) throws -> ValueID {
      let inputs = [
        builder.constant(try Tensor(scalar: scale)), try point(value),
      ]
      let integers = node("QuantizeLinear", [x] + inputs)
      return node("DequantizeLinear", [integers] + inputs)
    }

    /// Conv of a float value whose weights and bias are quantized as onnxruntime's quantizer has it.
    mutating func convolution(
      _ x: ValueID, scale: Float, _ channels: Int, _ filters: Int, kernel: Int, stride: Int = 1, pad: Int = 0,
      group: Int = 1
    ) throws -> ValueID {
      let shape = Shape([filters, channels / group, kernel, kernel])
      let weights = try numbers.tensor(shape).array(of: Float.self).map { Int8(($0 * 127).rounded()) }
      let scales = (0..<filters).map { 0.002 + 0.0001 * Float($0) }
      let biases = (0..<filters).map { Int32($0 * 37 - 200) }
      let weight = node(
        "DequantizeLinear",
        [
          builder.constant(try Tensor(shape: shape, weights)),
          builder.constant(try Tensor(shape: [filters], scales)),
          builder.constant(try Tensor(shape: [filters], [Int8](repeating: 0, count: filters))),
        ], ["axis": .int(0)])
      let bias = node(
        "DequantizeLinear",
        [
          builder.constant(try Tensor(shape: [filters], biases)),
          builder.constant(try Tensor(shape: [filters], scales.map { $0 * scale })),
        ], ["axis": .int(0)])
      return node(
        "Conv", [x, weight, bias],
        [
          "pads": .ints([pad, pad, pad, pad]), "strides": .ints([stride, stride]), "group": .int(group),
          "kernel_shape": .ints([kernel, kernel]),
        ])
    }
  }

  private static func run(_ program: Program, threads: Int, _ input: Tensor) throws -> [Float] {
    try Session(program, team: ThreadTeam(threads: threads)).run([input])[0].array(of: Float.self)
  }

  /// Operators of the program, and the largest difference from the graph as written, in steps of `scale`.
  private static func compare(_ chain: Chain, _ shape: Shape, scale: Float) throws -> (
    ops: [OperatorName], steps: Float
  ) {
    let (fused, plain) = (try chain.builder.program(), try chain.builder.program(fuse: false))
    var numbers = NumberSequence(seed: 9)
    let input = try numbers.tensor(shape)
    let (own, wanted) = (try run(fused, threads: 1, input), try run(plain, threads: 1, input))
    let threaded = try run(fused, threads: 3, input) == own
    #expect(threaded)
    #expect(own.count == wanted.count)
    let largest = zip(own, wanted).map { abs($0 - $1) }.max() ?? 0
    return (fused.nodes.map(\.node.op), largest / scale)
  }

  @Test(arguments: [ElementType.uint8, .int8]) func sumsAreBitEqual(_ element: ElementType) throws {
    for activation in [nil, "Relu", "Clip"] as [String?] {
      var chain = Chain(element)
      let x = chain.input([2, 5, 7])
      let a = try chain.pair(x, scale: 0.0091, point: 120)
      let b = try chain.pair(
        chain.node("Sin", [chain.node("Exp", [x])]), scale: 0.0123, point: 131)
      var sum = chain.node("Add", [a, b])
      if let activation {
        var limits: [ValueID] = []
        if activation == "Clip" {
          for limit in [Float(-0.3), 0.7] { limits.append(chain.builder.constant(try Tensor(scalar: limit))) }
        }
        sum = chain.node(OperatorName(type: activation), [sum] + limits)
      }
      chain.builder.output(try chain.pair(sum, scale: 0.0157, point: 100))
      let (ops, steps) = try Self.compare(chain, [2, 5, 7], scale: 0.0157)
      #expect(ops.contains(FusedOperator.quantizedAdd))
      #expect(!ops.contains("Add"))
      #expect(steps == 0)
    }
  }

  @Test func functionsBecomeTables() throws {
    for op in ["Sigmoid", "Tanh", "HardSwish", "Relu", "Erf", "LeakyRelu"] as [OperatorName] {
      var chain = Chain()
      let x = chain.input([3, 50])
      let a = try chain.pair(x, scale: 0.011, point: 128)
      let half = chain.builder.constant(try Tensor(shape: [1], [Float(1.7)]))
      let y = chain.node("Mul", [half, chain.node(op, [a])])
      chain.builder.output(try chain.pair(y, scale: 0.009, point: 111))
      let (ops, steps) = try Self.compare(chain, [3, 50], scale: 0.009)
      #expect(ops == ["QuantizeLinear", FusedOperator.lookup, "DequantizeLinear"])
      #expect(steps == 0)
    }
  }

  /// Gelu as onnxruntime's quantizer writes it: each step rounds, but all follow from one tensor.
  @Test(arguments: [ElementType.uint8, .int8]) func steppedFunctionsAreOneTable(_ element: ElementType) throws
  {
    var chain = Chain(element)
    let x = chain.input([3, 50])
    func number(_ value: Float) throws -> ValueID { chain.builder.constant(try Tensor(scalar: value)) }
    let a = try chain.pair(x, scale: 0.021, point: 128)
    var y = chain.node("Erf", [chain.node("Div", [a, try number(1.4142135)])])
    y = try chain.pair(y, scale: 0.0079, point: 127)
    y = try chain.pair(chain.node("Add", [y, try number(1)]), scale: 0.0077, point: 3)
    y = try chain.pair(chain.node("Mul", [a, y]), scale: 0.018, point: 40)
    y = try chain.pair(chain.node("Mul", [y, try number(0.5)]), scale: 0.009, point: 30)
    chain.builder.output(y)
    let (ops, steps) = try Self.compare(chain, [3, 50], scale: 0.009)
    #expect(ops == ["QuantizeLinear", FusedOperator.lookup, "DequantizeLinear"])
    #expect(steps == 0)
  }

  @Test func movementsStayInIntegers() throws {
    var chain = Chain()
    let x = chain.input([2, 4, 6])
    let a = try chain.pair(x, scale: 0.011, point: 128)
    let moved = chain.node("Transpose", [a], ["perm": .ints([0, 2, 1])])
    let b = try chain.pair(moved, scale: 0.011, point: 128)
    let other = try chain.pair(chain.node("Neg", [b]), scale: 0.02, point: 60)
    let joined = chain.node("Concat", [b, other], ["axis": .int(1)])
    chain.builder.output(try chain.pair(joined, scale: 0.013, point: 99))
    let (ops, steps) = try Self.compare(chain, [2, 4, 6], scale: 0.013)
    #expect(ops.filter { $0 == "QuantizeLinear" }.count <= 2)
    #expect(ops.contains(FusedOperator.lookup) && ops.contains("Concat"))
    #expect(steps == 0)
  }

  /// A residual network in miniature: convolutions dense, strided, depthwise, pools, a sum, a table.
  @Test(arguments: [ElementType.uint8, .int8]) func networksStayInIntegers(_ element: ElementType) throws {
    var chain = Chain(element)
    let x = chain.input([2, 3, 15, 14])
    var y = try chain.pair(x, scale: 0.008, point: 128)
    y = try chain.convolution(y, scale: 0.008, 3, 20, kernel: 3, stride: 2, pad: 1)
    y = try chain.pair(chain.node("Relu", [y]), scale: 0.004, point: element == .int8 ? 0 : 0)
    y = chain.node(
      "MaxPool", [y], ["kernel_shape": .ints([2, 2]), "strides": .ints([1, 1])])
    y = try chain.pair(y, scale: 0.004, point: 0)
    var z = try chain.convolution(y, scale: 0.004, 20, 20, kernel: 3, pad: 1, group: 20)
    z = try chain.pair(z, scale: 0.006, point: 120)
    z = try chain.convolution(z, scale: 0.006, 20, 20, kernel: 1)
    z = try chain.pair(z, scale: 0.007, point: 127)
    let sum = chain.node("Relu", [chain.node("Add", [y, z])])
    y = try chain.pair(sum, scale: 0.005, point: 10)
    y = try chain.pair(chain.node("HardSwish", [y]), scale: 0.004, point: 30)
    y = try chain.pair(chain.node("GlobalAveragePool", [y]), scale: 0.002, point: 90)
    y = chain.node("Flatten", [y])
    chain.builder.output(try chain.pair(y, scale: 0.002, point: 90))
    let (ops, steps) = try Self.compare(chain, [2, 3, 15, 14], scale: 0.002)
    for op in [
      FusedOperator.quantizedConvNHWC, FusedOperator.quantizedAdd, FusedOperator.lookup,
      FusedOperator.maxPoolNHWC, FusedOperator.quantizedGlobalAveragePoolNHWC,
    ] { #expect(ops.contains(op)) }
    #expect(ops.filter { $0 == "DequantizeLinear" }.count == 1)
    #expect(ops.filter { $0 == "QuantizeLinear" }.count == 1)
    #expect(!ops.contains("Transpose"))
    // Convolutions scale their exact sums by one factor, as onnxruntime does, where the graph as written rounds sums of
    // floats: now and then one step of a layer, of which the average keeps a part.
    #expect(steps <= 2)
  }

  @Test func linearConvolutionIsBitEqual() throws {
    var builder = GraphBuilder()
    var numbers = NumberSequence(seed: 6)
    let x = builder.input("x", .uint8, [2, 6, 9, 8].map(Dimension.known))
    let weights = try numbers.tensor([10, 3, 3, 3]).array(of: Float.self).map { Int8(($0 * 127).rounded()) }
    func scalar(_ value: Float) throws -> ValueID { builder.constant(try Tensor(scalar: value)) }
    func point(_ value: UInt8) throws -> ValueID { builder.constant(try Tensor(scalar: value)) }
    let scales = (0..<10).map { 0.003 + 0.0007 * Float($0) }
    let inputs = [
      x, try scalar(0.013), try point(121), builder.constant(try Tensor(shape: [10, 3, 3, 3], weights)),
      builder.constant(try Tensor(shape: [10], scales)),
      builder.constant(try Tensor(shape: [10], [Int8](repeating: 0, count: 10))), try scalar(0.11),
      try point(77),
      builder.constant(try Tensor(shape: [10], (0..<10).map { Int32($0 * 501 - 2000) })),
    ]
    builder.output(
      builder.node(
        "QLinearConv", inputs, attributes: ["pads": .ints([1, 0, 1, 2]), "group": .int(2)])[0])
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    #expect(fused.nodes.contains { $0.node.op == FusedOperator.quantizedConvNHWC })
    let bytes = (0..<(2 * 6 * 9 * 8)).map { UInt8(truncatingIfNeeded: $0 * 167) }
    let input = try Tensor(shape: [2, 6, 9, 8], bytes)
    let own = try Session(fused, team: ThreadTeam(threads: 2)).run([input])[0].array(of: UInt8.self)
    let wanted = try Session(plain, team: ThreadTeam(threads: 1)).run([input])[0].array(of: UInt8.self)
    let isEqual = own == wanted
    #expect(isEqual)
  }

  @Test func productsOfActivationsMultiplyIntegers() throws {
    var chain = Chain()
    let x = chain.input([2, 3, 8, 8])
    let a = try chain.pair(x, scale: 0.008, point: 128)
    let b = try chain.pair(chain.node("Sin", [x]), scale: 0.007, point: 120)
    chain.builder.output(
      try chain.pair(chain.node("MatMul", [a, b]), scale: 0.02, point: 128))
    let (ops, steps) = try Self.compare(chain, [2, 3, 8, 8], scale: 0.02)
    #expect(ops.contains(FusedOperator.quantizedMatMul))
    #expect(steps <= 1)
  }
}
