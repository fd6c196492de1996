import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct QuantizationTests {
  private static func run(_ builder: GraphBuilder, fuse: Bool, _ inputs: [Tensor]) throws -> Tensor {
    try Session(try builder.program(fuse: fuse), team: ThreadTeam(threads: 2)).run(inputs)[0]
  }

  /// Depths around the register tile and the packed group, where sums could saturate or lose a remainder.
  @Test(arguments: [1, 2, 3, 4, 5, 31, 32, 33, 64, 257]) func matMulIntegerIsExact(depth: Int) throws {
    var numbers = NumberSequence(seed: UInt64(depth))
    let (rows, columns) = (5, 19)
    let a = (0..<rows * depth).map { _ in UInt8(127.5 + numbers.next() * 127.5) }
    // The largest magnitudes, all of one sign, are what 16-bit intermediate sums would cut off.
    let b = (0..<depth * columns).map { $0 % 3 == 0 ? Int8(127) : Int8(numbers.next() * 127) }
    var builder = GraphBuilder()
    let x = builder.input("x", .uint8, [.known(rows), .known(depth)])
    let w = builder.constant(try Tensor(shape: [depth, columns], b))
    let zero = builder.constant(try Tensor(scalar: UInt8(131)))
    builder.output(builder.node("MatMulInteger", [x, w, zero])[0])
    let result = try Self.run(builder, fuse: true, [try Tensor(shape: [rows, depth], a)]).array(
      of: Int32.self)
    for row in 0..<rows {
      for column in 0..<columns {
        var sum: Int32 = 0
        for k in 0..<depth { sum += (Int32(a[row * depth + k]) - 131) * Int32(b[k * columns + column]) }
        #expect(result[row * columns + column] == sum)
      }
    }
  }

  /// Two layers as dynamic quantization writes them; x is `[rows, depth]` or `[rows, 2, depth]`.
  private static func dynamicLayers(rank: Int = 2, rows: Dimension = .symbol("n")) throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 4)
    var builder = GraphBuilder()
    let inner: [Dimension] = rank == 3 ? [.known(2)] : []
    var value = builder.input("x", .float32, [rows] + inner + [.known(48)])
    for (depth, columns) in [(48, 20), (20, 7)] {
      let w = builder.constant(try numbers.bytes([depth, columns]))
      let scale = builder.constant(
        try Tensor(shape: [columns], (0..<columns).map { Float($0 + 1) / 1000 }))
      let bias = builder.constant(try numbers.tensor([columns]))
      let q = builder.node("DynamicQuantizeLinear", [value], outputs: 3)
      let sum = builder.node("MatMulInteger", [q[0], w, q[2]])[0]
      let float = builder.node("Cast", [sum], attributes: ["to": .int(1)])[0]
      let product = builder.node("Mul", [float, builder.node("Mul", [q[1], scale])[0]])[0]
      value = builder.node("Relu", [builder.node("Add", [product, bias])[0]])[0]
    }
    builder.output(value)
    return builder
  }

  /// Rows of very different magnitude, so that it matters which of them share a scale.
  private static func unevenRows(_ shape: Shape) throws -> [Float] {
    var numbers = NumberSequence(seed: 21)
    let depth = shape.dimensions.last ?? 1
    return (0..<shape.elementCount).map { numbers.next() * Float($0 / depth % 5 + 1) * 0.7 }
  }

  private static func run(_ program: Program, _ input: Tensor, threads: Int) throws -> [Float] {
    try Session(program, team: ThreadTeam(threads: threads)).run([input])[0].array(of: Float.self)
  }

  /// The second of two sizes is cut into several pieces.
  @Test(arguments: [1, 6, 1_500], [1, 3]) func dynamicProductPerTensorIsTheGraphAsWritten(
    rows: Int, threads: Int
  ) throws {
    let builder = try Self.dynamicLayers()
    let fused = try builder.program()
    #expect(fused.nodes.map(\.node.op) == [FusedOperator.dynamicMatMul, FusedOperator.dynamicMatMul])
    #expect(!fused.batching.isAllowed)
    let shape: Shape = [rows, 48]
    let x = try Tensor(shape: shape, try Self.unevenRows(shape))
    let expected = try Self.run(try builder.program(fuse: false), x, threads: 1)
    let actual = try Self.run(fused, x, threads: threads)
    #expect(actual.count == rows * 7)
    // The first layer's rounding may move an element of the second one to its neighbour.
    let noise = zip(actual, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let signal = expected.reduce(0) { $0 + $1 * $1 }
    #expect(signal > 0)
    #expect(noise <= 1e-7 * signal)
  }

  /// Each request of a batch gets what the graph as written gives it alone, whatever the others hold.
  @Test(arguments: [2, 3], [1, 3]) func dynamicProductPerRequestDoesNotDependOnTheBatch(
    rank: Int, threads: Int
  ) throws {
    let builder = try Self.dynamicLayers(rank: rank)
    let byRequest = try builder.program(dynamicQuantization: .perRequest)
    let byTensor = try builder.program()
    #expect(byRequest.batching == .rows)
    #expect(byRequest.quantizesByRequest)
    #expect(!byTensor.batching.isAllowed)
    let (requests, width) = (37, rank == 3 ? 2 * 48 : 48)
    func shape(_ rows: Int) -> Shape { rank == 3 ? [rows, 2, 48] : [rows, 48] }
    let values = try Self.unevenRows(shape(requests))
    let all = try Tensor(shape: shape(requests), values)
    let session = Session(byRequest, team: ThreadTeam(threads: threads))
    session.requestsPerRun = requests
    let batch = try session.run([all])[0].array(of: Float.self)
    var alone: [Float] = []
    for row in 0..<requests {
      let x = try Tensor(shape: shape(1), Array(values[row * width..<(row + 1) * width]))
      alone += try Self.run(byTensor, x, threads: 1)
    }
    #expect(batch == alone)
    session.requestsPerRun = 1
    let whole = try session.run([all])[0].array(of: Float.self)
    #expect(try Self.run(byTensor, all, threads: threads) == whole)
    #expect(whole != batch)
  }

  /// Where rows depend on each other anyway, the file's own scales stay.
  @Test func dynamicProductOfAFixedBatchIsPerTensor() throws {
    let builder = try Self.dynamicLayers(rows: .known(6))
    let program = try builder.program(dynamicQuantization: .perRequest)
    #expect(!program.batching.isAllowed)
    let x = try Tensor(shape: [6, 48], try Self.unevenRows([6, 48]))
    #expect(try Self.run(program, x, threads: 1) == Self.run(try builder.program(), x, threads: 1))
  }

  /// Both forms follow the float product.
  @Test(arguments: [DynamicQuantization.perTensor, .perRequest]) func dynamicProductFollowsFloat(
    _ granularity: DynamicQuantization
  ) throws {
    var numbers = NumberSequence(seed: 4)
    let (depth, columns) = (48, 20)
    let weight = try numbers.bytes([depth, columns])
    let scales = try Tensor(shape: [columns], (0..<columns).map { Float($0 + 1) / 1000 })
    let rows = try numbers.tensor([6, depth])
    func build(quantized: Bool) -> GraphBuilder {
      var builder = GraphBuilder()
      let x = builder.input("x", .float32, [.symbol("n"), .known(depth)])
      let w = builder.constant(weight)
      let scale = builder.constant(scales)
      if quantized {
        let q = builder.node("DynamicQuantizeLinear", [x], outputs: 3)
        let sum = builder.node("MatMulInteger", [q[0], w, q[2]])[0]
        let float = builder.node("Cast", [sum], attributes: ["to": .int(1)])[0]
        builder.output(builder.node("Mul", [float, builder.node("Mul", [q[1], scale])[0]])[0])
      } else {
        let float = builder.node("DequantizeLinear", [w, scale], attributes: ["axis": .int(1)])[0]
        builder.output(builder.node("MatMul", [x, float])[0])
      }
      return builder
    }
    let float = try Self.run(build(quantized: false), fuse: false, [rows]).array(of: Float.self)
    let program = try build(quantized: true).program(dynamicQuantization: granularity)
    let result = try Self.run(program, rows, threads: 2)
    #expect(result.count == float.count)
    for (value, expected) in zip(result, float) { #expect(abs(value - expected) <= 0.08) }
  }

  /// A product between DequantizeLinear and QuantizeLinear gives the same integers as the float graph, but for
  /// results that lie on the border between two.
  @Test(arguments: ["MatMul", "Gemm"]) func quantizedProductFollowsFloat(op: OperatorName) throws {
    var numbers = NumberSequence(seed: 8)
    let (depth, columns) = (40, 12)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(depth)])
    let (xScale, xZero) = (try Tensor(scalar: Float(0.01)), try Tensor(scalar: UInt8(120)))
    let scale = builder.constant(xScale)
    let zero = builder.constant(xZero)
    let q = builder.node("QuantizeLinear", [x, scale, zero])[0]
    let dq = builder.node("DequantizeLinear", [q, scale, zero])[0]
    let isGemm = op == "Gemm"
    let weight = builder.constant(try numbers.bytes(isGemm ? [columns, depth] : [depth, columns]))
    let weightScale = builder.constant(
      try Tensor(shape: [columns], (0..<columns).map { Float($0 + 2) / 900 }))
    let w = builder.node(
      "DequantizeLinear", [weight, weightScale], attributes: ["axis": .int(isGemm ? 0 : 1)])[0]
    let bias = builder.constant(try numbers.tensor([columns]))
    let sum =
      isGemm
      ? builder.node("Gemm", [dq, w, bias], attributes: ["transB": .int(1)])[0]
      : builder.node("Add", [builder.node("MatMul", [dq, w])[0], bias])[0]
    let relu = builder.node("Relu", [sum])[0]
    let yScale = builder.constant(try Tensor(scalar: Float(0.05)))
    let yZero = builder.constant(try Tensor(scalar: UInt8(3)))
    builder.output(builder.node("QuantizeLinear", [relu, yScale, yZero])[0])
    let ops = try builder.program().nodes.map(\.node.op)
    #expect(ops == ["QuantizeLinear", FusedOperator.quantizedMatMul])
    let input = try numbers.tensor([9, depth])
    let fused = try Self.run(builder, fuse: true, [input]).array(of: UInt8.self)
    let plain = try Self.run(builder, fuse: false, [input]).array(of: UInt8.self)
    #expect(zip(fused, plain).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    #expect(zip(fused, plain).count { $0 != $1 } <= 2)
  }

  @Test func quantizedConvolutionFollowsFloat() throws {
    var numbers = NumberSequence(seed: 12)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(4), .known(9), .known(9)])
    let scale = builder.constant(try Tensor(scalar: Float(0.008)))
    let zero = builder.constant(try Tensor(scalar: UInt8(117)))
    let dq = builder.node(
      "DequantizeLinear", [builder.node("QuantizeLinear", [x, scale, zero])[0], scale, zero])[0]
    let weight = builder.constant(try numbers.bytes([6, 2, 3, 3]))
    let weightScale = builder.constant(try Tensor(shape: [6], (0..<6).map { Float($0 + 2) / 800 }))
    let w = builder.node("DequantizeLinear", [weight, weightScale], attributes: ["axis": .int(0)])[0]
    let bias = builder.constant(try numbers.tensor([6]))
    let conv = builder.node(
      "Conv", [dq, w, bias],
      attributes: ["pads": .ints([1, 1, 1, 1]), "group": .int(2), "strides": .ints([2, 1])])[0]
    builder.output(conv)
    let ops = try builder.program().nodes.map(\.node.op)
    #expect(ops.contains(FusedOperator.quantizedConvNHWC) && !ops.contains("Conv"))
    let input = try numbers.tensor([2, 4, 9, 9])
    let fused = try Self.run(builder, fuse: true, [input]).array(of: Float.self)
    let plain = try Self.run(builder, fuse: false, [input]).array(of: Float.self)
    #expect(fused.count == plain.count)
    #expect(zip(fused, plain).allSatisfy { abs($0 - $1) <= 1e-4 })
  }

  @Test func packedIntegersRoundTrip() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.known(5)])
    let scale = builder.constant(try Tensor(scalar: Float(0.5)))
    let q = builder.node("QuantizeLinear", [x, scale], attributes: ["output_dtype": .int(22)])[0]
    builder.output(builder.node("DequantizeLinear", [q, scale])[0])
    let input = try Tensor(shape: [5], [0.5, -4, 3.6, -9, 1.25] as [Float])
    let result = try Self.run(builder, fuse: true, [input])
    #expect(result.array(of: Float.self) == [0.5, -4, 3.5, -4, 1])
  }
}
