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

  /// The pattern that dynamic quantization writes follows the float product.
  @Test func dynamicProductFollowsFloat() throws {
    var numbers = NumberSequence(seed: 4)
    let (depth, columns) = (48, 20)
    let weight = try numbers.bytes([depth, columns])
    let scales = try Tensor(shape: [columns], (0..<columns).map { Float($0 + 1) / 1000 })
    let bias = try numbers.tensor([columns])
    let rows = try numbers.tensor([6, depth])
    func build(quantized: Bool) throws -> GraphBuilder {
      var builder = GraphBuilder()
      let x = builder.input("x", .float32, [.symbol("n"), .known(depth)])
      let w = builder.constant(weight)
      let scale = builder.constant(scales)
      let product: ValueID
      if quantized {
        let q = builder.node("DynamicQuantizeLinear", [x], outputs: 3)
        let sum = builder.node("MatMulInteger", [q[0], w, q[2]])[0]
        let float = builder.node("Cast", [sum], attributes: ["to": .int(1)])[0]
        product = builder.node("Mul", [float, builder.node("Mul", [q[1], scale])[0]])[0]
      } else {
        let float = builder.node("DequantizeLinear", [w, scale], attributes: ["axis": .int(1)])[0]
        product = builder.node("MatMul", [x, float])[0]
      }
      builder.output(builder.node("Relu", [builder.node("Add", [product, builder.constant(bias)])[0]])[0])
      return builder
    }
    let float = try Self.run(try build(quantized: false), fuse: false, [rows]).array(of: Float.self)
    let fused = try build(quantized: true).program()
    #expect(fused.nodes.map(\.node.op) == [FusedOperator.dynamicMatMul])
    #expect(fused.batchAxisIsLeading)
    for fuse in [true, false] {
      let result = try Self.run(try build(quantized: true), fuse: fuse, [rows]).array(of: Float.self)
      for (value, expected) in zip(result, float) { #expect(abs(value - expected) <= 0.08) }
    }
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
    #expect(try builder.program().nodes.map(\.node.op) == ["QuantizeLinear", FusedOperator.quantizedConv])
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
