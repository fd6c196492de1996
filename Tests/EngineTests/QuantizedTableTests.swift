import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct QuantizedTableTests {
  private enum Scales: CaseIterable { case table, row, rowWithZeroPoints, column, shared }

  private static func builder(_ scales: Scales, isSigned: Bool) throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 12)
    var builder = GraphBuilder()
    let ids = builder.input("ids", .int64, [.symbol("n"), .known(3)])
    let bytes = try numbers.bytes([40, 12])
    let codes =
      isSigned
      ? bytes : try Tensor(shape: [40, 12], bytes.array(of: Int8.self).map { UInt8(bitPattern: $0) })
    let count = scales == .column ? 12 : scales == .table ? 1 : 40
    let values = (0..<count).map { Float($0 % 9 + 1) / 777 }
    var inputs = [
      builder.constant(codes), builder.constant(try Tensor(shape: scales == .table ? [] : [count], values)),
    ]
    if scales == .table {
      inputs.append(
        builder.constant(isSigned ? try Tensor(scalar: Int8(-3)) : try Tensor(scalar: UInt8(131))))
    }
    if scales == .rowWithZeroPoints {
      let points = try Tensor(shape: [40], (0..<40).map { Int8($0 % 5 - 2) })
      inputs.append(
        builder.constant(
          isSigned
            ? points : try Tensor(shape: [40], points.array(of: Int8.self).map { UInt8(bitPattern: $0) })))
    }
    let table = builder.node(
      "DequantizeLinear", inputs, attributes: ["axis": .int(scales == .column ? 1 : 0)])[0]
    builder.output(builder.node("Gather", [table, ids])[0])
    if scales == .shared { builder.output(builder.node("Neg", [table])[0]) }
    return builder
  }

  @Test(arguments: Scales.allCases, [true, false])
  private func rowsAreTheSame(_ scales: Scales, _ isSigned: Bool) throws {
    let builder = try Self.builder(scales, isSigned: isSigned)
    let program = try builder.program()
    let isKept =
      program.nodes.contains { $0.node.op == "Gather" }
      && !program.graph.values.contains { $0.constant?.type == .float32 && $0.constant?.elementCount == 480 }
    #expect(isKept == (scales == .table || scales == .row))
    let ids = try Tensor(shape: [2, 3], [0, 39, 7, -1, 12, -40])
    let team = ThreadTeam(threads: 1)
    let actual = try Session(program, team: team).run([ids])[0]
    let expected = try Session(try builder.program(fuse: false), team: team).run([ids])[0]
    let isEqual = actual == expected
    #expect(isEqual)
    #expect(actual.shape == [2, 3, 12])
  }
}
