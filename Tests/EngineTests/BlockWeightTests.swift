import GraphIR
import Tensors
import Testing

@testable import Engine

/// Products with constant weights of 2, 4 and 8 bits.
@Suite struct BlockWeightTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let type: ElementType
    /// 0: one scale for each column, or for all when `isSingle`.
    var block = 0
    var hasZeroPoints = false
    var isSingle = false
    var depth = 96
    var op: OperatorName = "MatMul"
    var isTransposed = false

    var testDescription: String {
      "\(type) blocks of \(block)\(hasZeroPoints ? " zero points" : "") \(op) \(isTransposed ? "transposed" : "") k \(depth)"
    }
  }

  static let cases: [Case] = [
    Case(type: .int4, block: 32), Case(type: .uint4, block: 16, hasZeroPoints: true), Case(type: .uint4),
    Case(type: .int4, block: 32, hasZeroPoints: true, depth: 70), Case(type: .int4, block: 48),
    Case(type: .int8, block: 32), Case(type: .uint8, block: 64, hasZeroPoints: true, depth: 100),
    Case(type: .int2, block: 16), Case(type: .uint2, block: 32, hasZeroPoints: true),
    Case(type: .uint2), Case(type: .int4, isSingle: true, depth: 300), Case(type: .int4, hasZeroPoints: true),
    Case(type: .int4, depth: 600), Case(type: .int4, block: 512, depth: 700),
    Case(type: .int4, block: 32, op: "Gemm"), Case(type: .int4, op: "Gemm", isTransposed: true),
    Case(type: .uint4, block: 32, hasZeroPoints: true, op: "Gemm", isTransposed: true),
    Case(type: .int4, block: 32, isTransposed: true),
  ]

  private static let columns = 37

  private static func codes(_ numbers: inout NumberSequence, _ type: ElementType, _ shape: Shape) throws
    -> Tensor
  {
    let raw = (0..<shape.elementCount).map { _ in
      UInt8(truncatingIfNeeded: Int(127.5 + numbers.next() * 127.5))
    }
    if type.isPacked { return try Tensor(packing: raw, type: type, shape: shape) }
    return raw.withUnsafeBytes { try! Tensor(type: type, shape: shape, copying: $0) }
  }

  /// x -> product with a dequantized weight -> bias -> Relu.
  private static func builder(_ item: Case) throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 31)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(item.depth)])
    let shape: Shape = item.isTransposed ? [columns, item.depth] : [item.depth, columns]
    let blocks = item.block == 0 ? 1 : (item.depth - 1) / item.block + 1
    let scaleShape: Shape =
      item.isSingle
      ? [] : item.block == 0 ? [columns] : item.isTransposed ? [columns, blocks] : [blocks, columns]
    let scales = try Tensor(
      shape: scaleShape, (0..<scaleShape.elementCount).map { _ in 0.02 + 0.01 * numbers.next() })
    var inputs = [
      builder.constant(try codes(&numbers, item.type, shape)), builder.constant(scales),
    ]
    if item.hasZeroPoints { inputs.append(builder.constant(try codes(&numbers, item.type, scaleShape))) }
    let depthAxis = item.isTransposed ? 1 : 0
    var attributes: Attributes = ["axis": .int(item.block == 0 ? 1 - depthAxis : depthAxis)]
    if item.block != 0 { attributes["block_size"] = .int(item.block) }
    var weight = builder.node("DequantizeLinear", inputs, attributes: attributes)[0]
    let bias = builder.constant(try numbers.tensor([columns]))
    let product: ValueID
    if item.op == "Gemm" {
      product =
        builder.node(
          "Gemm", [x, weight, bias], attributes: ["transB": .int(item.isTransposed ? 1 : 0)])[0]
    } else {
      if item.isTransposed {
        weight = builder.node("Transpose", [weight], attributes: ["perm": .ints([1, 0])])[0]
      }
      product = builder.node("Add", [builder.node("MatMul", [x, weight])[0], bias])[0]
    }
    builder.output(builder.node("Relu", [product])[0])
    return builder
  }

  private static func run(_ program: Program, _ x: Tensor, threads: Int = 1) throws -> [Float] {
    try Session(program, team: ThreadTeam(threads: threads)).run([x])[0].array(of: Float.self)
  }

  @Test(arguments: cases) func dequantizedWeightsStayInBlocks(_ item: Case) throws {
    let builder = try Self.builder(item)
    let fused = try builder.program()
    #expect(fused.nodes.map(\.node.op) == [FusedOperator.blockMatMul])
    #expect(fused.batching == .rows)
    let plain = try builder.program(fuse: false)
    var numbers = NumberSequence(seed: 32)
    for rows in [1, 3, 4, 5, 40] {
      let x = try numbers.tensor([rows, item.depth])
      let expected = try Self.run(plain, x)
      let actual = try Self.run(fused, x)
      let largest = expected.map(abs).max() ?? 0
      #expect(largest > 0)
      let error = zip(actual, expected).map { abs($0 - $1) }.max() ?? 0
      #expect(error <= 1e-5 * largest, "\(rows) rows")
      let isEqual = try Self.run(fused, x, threads: 3) == actual
      #expect(isEqual)
    }
  }

  /// What the kernels for blocks cannot take is dequantized as before.
  @Test func otherWeightsAreDequantized() throws {
    let odd = [
      Case(type: .int4, block: 20), Case(type: .int8, block: 24), Case(type: .int8),
      Case(type: .uint8, isSingle: true),
    ]
    for item in odd {
      let program = try Self.builder(item).program()
      #expect(!program.nodes.map(\.node.op).contains(FusedOperator.blockMatMul))
    }
    let single = try Self.builder(Case(type: .int4, block: 32, depth: 1)).program()
    #expect(single.nodes.map(\.node.op) == [FusedOperator.blockMatMul])
  }

  /// Mostly zeros: float32 without them is faster.
  @Test func prunedWeightsAreDequantized() throws {
    var numbers = NumberSequence(seed: 5)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(64)])
    let values = (0..<64 * 32).map { _ in numbers.next() > 0.6 ? Int8(numbers.next() * 127) : 0 }
    let weight = builder.constant(try Tensor(shape: [64, 32], values))
    let scale = builder.constant(try Tensor(shape: [2, 32], [Float](repeating: 0.01, count: 64)))
    let float = builder.node(
      "DequantizeLinear", [weight, scale], attributes: ["axis": .int(0), "block_size": .int(32)])[0]
    builder.output(builder.node("MatMul", [x, float])[0])
    #expect(try builder.program().nodes.map(\.node.op) == ["MatMul"])
  }

  struct NBits: Sendable {
    let bits: Int
    let block: Int
    let depth: Int
    let hasZeroPoints: Bool
    let level: Int
  }

  /// The kernels for constant weights against the way of weights that a run brings.
  @Test(arguments: [
    NBits(bits: 4, block: 32, depth: 70, hasZeroPoints: false, level: 0),
    NBits(bits: 4, block: 16, depth: 64, hasZeroPoints: true, level: 0),
    NBits(bits: 2, block: 64, depth: 130, hasZeroPoints: true, level: 0),
    NBits(bits: 8, block: 128, depth: 200, hasZeroPoints: true, level: 0),
    NBits(bits: 4, block: 512, depth: 600, hasZeroPoints: false, level: 4),
    NBits(bits: 4, block: 32, depth: 70, hasZeroPoints: false, level: 4),
    NBits(bits: 4, block: 128, depth: 256, hasZeroPoints: true, level: 4),
    NBits(bits: 8, block: 32, depth: 96, hasZeroPoints: false, level: 4),
  ]) func constantWeightsAgreeWithGivenOnes(_ item: NBits) throws {
    var numbers = NumberSequence(seed: 41)
    let columns = 50
    let blocks = (item.depth - 1) / item.block + 1
    let zeroPointBytes = (blocks * item.bits + 7) / 8
    let scales = try Tensor(
      shape: [columns, blocks], (0..<columns * blocks).map { _ in 0.02 + 0.01 * numbers.next() })
    let x = try numbers.tensor([9, item.depth])
    var inputs: [Tensor?] = [
      x, try Self.codes(&numbers, .uint8, [columns, blocks, item.block * item.bits / 8]), scales,
    ]
    if item.hasZeroPoints { inputs.append(try Self.codes(&numbers, .uint8, [columns, zeroPointBytes])) }
    let attributes: Attributes = [
      "K": .int(item.depth), "N": .int(columns), "bits": .int(item.bits), "block_size": .int(item.block),
      "accuracy_level": .int(item.level),
    ]
    let constants: Set<Int> = item.hasZeroPoints ? [1, 2, 3] : [1, 2]
    let op: OperatorName = "com.microsoft.MatMulNBits"
    let given = try OperatorRunner.run(op, inputs, attributes)[0].array(of: Float.self)
    let packed = try OperatorRunner.run(op, inputs, attributes, constants: constants)[0].array(of: Float.self)
    let signal = given.reduce(0) { $0 + $1 * $1 }
    let noise = zip(given, packed).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    #expect(signal > 0)
    // Rounding A to 8 bits costs about 1 % of an element.
    #expect(noise <= (item.level == 4 ? 4e-4 : 1e-10) * signal)
  }
}
