import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct RowQuantizationTests {
  private struct Layers {
    var numbers = NumberSequence(seed: 9)
    var builder = GraphBuilder()

    mutating func scalar(_ value: Float) throws -> ValueID {
      builder.constant(try Tensor(shape: [], [value]))
    }

    /// Rows of `x` as codes, with their scales.
    mutating func rows(_ x: ValueID, zeroPoint: UInt8 = 128) throws -> (codes: ValueID, scale: ValueID) {
      let axis = builder.constant(try Tensor(shape: [1], [-1]))
      let absolute = builder.node("Abs", [x])[0]
      let largest = builder.node("ReduceMax", [absolute, axis], attributes: ["keepdims": .int(1)])[0]
      let unbounded = builder.node("Mul", [largest, try scalar(1 / 127)])[0]
      let scale = builder.node("Max", [unbounded, try scalar(1e-30)])[0]
      let rounded = builder.node("Round", [builder.node("Div", [x, scale])[0]])[0]
      let shifted = builder.node("Add", [rounded, try scalar(Float(zeroPoint))])[0]
      let clipped = builder.node("Clip", [shifted, try scalar(0), try scalar(255)])[0]
      return (builder.node("Cast", [clipped], attributes: ["to": .int(2)])[0], scale)
    }

    mutating func product(
      _ rows: (codes: ValueID, scale: ValueID), depth: Int, columns: Int, isSigned: Bool = true,
      zeroPoint: UInt8 = 128, hasScalePerColumn: Bool = true
    ) throws -> ValueID {
      let bytes = try numbers.bytes([depth, columns])
      var inputs = [rows.codes]
      if isSigned {
        inputs.append(builder.constant(bytes))
      } else {
        let shifted = bytes.array(of: Int8.self).map { UInt8(Int($0) + 128) }
        inputs.append(builder.constant(try Tensor(shape: [depth, columns], shifted)))
      }
      inputs.append(builder.constant(try Tensor(shape: [], [zeroPoint])))
      if !isSigned { inputs.append(builder.constant(try Tensor(shape: [], [UInt8(128)]))) }
      let sum = builder.node("MatMulInteger", inputs)[0]
      let float = builder.node("Cast", [sum], attributes: ["to": .int(1)])[0]
      let scaled = builder.node("Mul", [float, rows.scale])[0]
      let count = hasScalePerColumn ? columns : 1
      let scales = try Tensor(
        shape: hasScalePerColumn ? [columns] : [], (0..<count).map { Float($0 % 7 + 1) / 1000 })
      return builder.node("Mul", [scaled, builder.constant(scales)])[0]
    }
  }

  /// Rows of very different magnitude, one of them of zeros.
  private static func uneven(_ shape: Shape) throws -> Tensor {
    var numbers = NumberSequence(seed: 21)
    let depth = shape.dimensions.last ?? 1
    return try Tensor(
      shape: shape,
      (0..<shape.elementCount).map { index in
        let row = index / depth
        return row % 7 == 3 ? 0 : numbers.next() * [0.001, 1, 300][row % 3]
      })
  }

  private static func run(_ program: Program, _ input: Tensor, threads: Int = 1) throws -> [[Float]] {
    try Session(program, team: ThreadTeam(threads: threads)).run([input]).map { $0.array(of: Float.self) }
  }

  private static func agree(_ actual: [Float], _ expected: [Float]) -> Bool {
    actual.count == expected.count
      && zip(actual, expected).allSatisfy { abs($0 - $1) <= 5e-7 * abs($1) }
  }

  /// One rounding of the product of scales is all that differs from the graph as written.
  @Test(arguments: [1, 2, 6, 130, 1_500], [1, 3]) func productIsTheGraphAsWritten(_ rows: Int, _ threads: Int)
    throws
  {
    var layers = Layers()
    let x = layers.builder.input("x", .float32, [.symbol("n"), .known(70)])
    layers.builder.output(try layers.product(try layers.rows(x), depth: 70, columns: 37))
    let program = try layers.builder.program()
    #expect(program.nodes.map(\.node.op) == [FusedOperator.dynamicMatMul])
    let input = try Self.uneven([rows, 70])
    let expected = try Self.run(try layers.builder.program(fuse: false), input)[0]
    #expect(expected.contains { $0 != 0 })
    #expect(Self.agree(try Self.run(program, input, threads: threads)[0], expected))
  }

  /// Weights of both signs, one scale for all columns, another zero point, axes before the rows.
  @Test(arguments: [true, false], [true, false]) func variants(_ isSigned: Bool, _ hasScalePerColumn: Bool)
    throws
  {
    var layers = Layers()
    let x = layers.builder.input("x", .float32, [.symbol("n"), .known(3), .known(32)])
    let zeroPoint: UInt8 = isSigned ? 128 : 127
    let rows = try layers.rows(x, zeroPoint: zeroPoint)
    layers.builder.output(
      try layers.product(
        rows, depth: 32, columns: 20, isSigned: isSigned, zeroPoint: zeroPoint,
        hasScalePerColumn: hasScalePerColumn))
    let program = try layers.builder.program()
    #expect(program.nodes.map(\.node.op) == [FusedOperator.dynamicMatMul])
    let input = try Self.uneven([4, 3, 32])
    let expected = try Self.run(try layers.builder.program(fuse: false), input)[0]
    #expect(Self.agree(try Self.run(program, input)[0], expected))
  }

  /// Queries and keys share their codes; bias and activation go into the products; rows batch without requests.
  @Test func productsThatShareTheirRows() throws {
    var layers = Layers()
    let x = layers.builder.input("x", .float32, [.symbol("n"), .known(5), .known(32)])
    let rows = try layers.rows(x)
    for columns in [20, 24] {
      let product = try layers.product(rows, depth: 32, columns: columns)
      let bias = layers.builder.constant(try layers.numbers.tensor([columns]))
      let sum = layers.builder.node("Add", [product, bias])[0]
      layers.builder.output(layers.builder.node("Relu", [sum])[0])
    }
    let program = try layers.builder.program(dynamicQuantization: .perRequest)
    #expect(program.nodes.map(\.node.op) == [FusedOperator.dynamicMatMul, FusedOperator.dynamicMatMul])
    #expect(program.batching == .rows)
    #expect(!program.quantizesByRequest)
    let input = try Self.uneven([9, 5, 32])
    let batch = try Self.run(program, input, threads: 2)
    let values = input.array(of: Float.self)
    var alone: [[Float]] = [[], []]
    for row in 0..<9 {
      let one = try Tensor(shape: [1, 5, 32], Array(values[row * 160..<(row + 1) * 160]))
      for (index, result) in try Self.run(program, one).enumerated() { alone[index] += result }
    }
    #expect(batch == alone)
    let expected = try Self.run(try layers.builder.program(fuse: false), input)
    for (actual, expected) in zip(batch, expected) {
      let close = zip(actual, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }
      #expect(close)
    }
  }

  /// Codes that are read elsewhere, too, are still computed; what differs from the pattern stays.
  @Test(arguments: ["codes read", "other scale", "other zero point"])
  func whatStays(_ why: String) throws {
    var layers = Layers()
    let x = layers.builder.input("x", .float32, [.symbol("n"), .known(32)])
    var rows = try layers.rows(x)
    if why == "codes read" { layers.builder.output(rows.codes) }
    if why == "other scale" { rows.scale = layers.builder.node("Neg", [rows.scale])[0] }
    layers.builder.output(
      try layers.product(rows, depth: 32, columns: 20, zeroPoint: why == "other zero point" ? 127 : 128))
    let program = try layers.builder.program()
    let isFused = why == "codes read"
    #expect(program.nodes.contains { $0.node.op == FusedOperator.dynamicMatMul } == isFused)
    #expect(program.nodes.contains { $0.node.op == "Round" })
    let input = try Self.uneven([4, 32])
    let expected = try Session(
      try layers.builder.program(fuse: false), team: ThreadTeam(threads: 1)
    ).run([input])
    let actual = try Session(program, team: ThreadTeam(threads: 1)).run([input])
    #expect(actual.count == expected.count)
    #expect(Self.agree(actual.last?.array(of: Float.self) ?? [], expected.last?.array(of: Float.self) ?? [1]))
  }
}
