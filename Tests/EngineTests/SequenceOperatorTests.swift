import GraphIR
import Tensors
import Testing

@testable import Engine

struct SequenceOperatorTests {
  private static let row = RuntimeValue.tensor(floats([2], [1, 2]))
  private static let other = RuntimeValue.tensor(floats([2], [3, 4]))
  private static let third = RuntimeValue.tensor(floats([2], [5, 6]))

  private func run(_ op: any DynamicOperator, _ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
    try op.run(inputs, DynamicContext(team: ThreadTeam(threads: 1), memoryLimit: 1 << 20))
  }

  @Test func insertsAtAPosition() throws {
    let sequence = RuntimeValue.sequence([Self.row, Self.other])
    for (position, expected) in [
      (nil, [Self.row, Self.other, Self.third]), (0, [Self.third, Self.row, Self.other]),
      (-1, [Self.row, Self.third, Self.other]), (2, [Self.row, Self.other, Self.third]),
    ] as [(Int?, [RuntimeValue])] {
      let inputs = [sequence, Self.third, position.map { RuntimeValue.tensor(scalar($0)) }]
      #expect(try run(SequenceInsertOperator(), inputs) == [.sequence(expected)])
    }
    #expect(throws: OperatorFailure.self) {
      try run(SequenceInsertOperator(), [sequence, Self.third, .tensor(scalar(3))])
    }
    #expect(throws: OperatorFailure.self) {
      try run(SequenceInsertOperator(), [sequence, .tensor(ints(1, 2)), nil])
    }
  }

  @Test func insertingIsBounded() throws {
    let large = RuntimeValue.tensor(try Tensor(type: .uint8, shape: [600 << 10]))
    #expect(throws: EngineError.self) { try run(SequenceInsertOperator(), [.sequence([large]), large, nil]) }
  }

  @Test func erasesAndReads() throws {
    let sequence = RuntimeValue.sequence([Self.row, Self.other])
    #expect(try run(SequenceEraseOperator(), [sequence]) == [.sequence([Self.row])])
    #expect(try run(SequenceEraseOperator(), [sequence, .tensor(scalar(0))]) == [.sequence([Self.other])])
    #expect(try run(SequenceAtOperator(), [sequence, .tensor(scalar(-2))]) == [Self.row])
    #expect(try run(SequenceLengthOperator(), [sequence]) == [.tensor(scalar(2))])
    for position in [2, -3, Int.min] {
      #expect(throws: OperatorFailure.self) {
        try run(SequenceAtOperator(), [sequence, .tensor(scalar(position))])
      }
    }
    #expect(throws: OperatorFailure.self) { try run(SequenceEraseOperator(), [.sequence([])]) }
  }

  @Test func splitsAndJoins() throws {
    let matrix = RuntimeValue.tensor(counting([3, 2]))
    let split = SplitToSequenceOperator(axis: 0, keepsAxis: false)
    let rows = try run(split, [matrix])[0]
    #expect(
      rows
        == .sequence(
          [floats([2], [0, 1]), floats([2], [2, 3]), floats([2], [4, 5])].map(RuntimeValue.tensor)))
    #expect(try run(ConcatFromSequenceOperator(axis: 0, addsAxis: true), [rows]) == [matrix])
    let parts = try run(split, [matrix, .tensor(scalar(2))])[0]
    #expect(parts == .sequence([.tensor(counting([2, 2])), .tensor(floats([1, 2], [4, 5]))]))
    #expect(try run(ConcatFromSequenceOperator(axis: -2, addsAxis: false), [parts]) == [matrix])
    #expect(
      try run(SplitToSequenceOperator(axis: 1, keepsAxis: true), [matrix, .tensor(ints(0, 2))])[0]
        == .sequence([.tensor(try Tensor(type: .float32, shape: [3, 0])), matrix]))
    for lengths in [ints(1, 1), ints(4, -1), ints(2, 2), scalar(0)] {
      #expect(throws: OperatorFailure.self) { try run(split, [matrix, .tensor(lengths)]) }
    }
    #expect(throws: OperatorFailure.self) {
      try run(ConcatFromSequenceOperator(axis: 0, addsAxis: false), [.sequence([])])
    }
  }

  @Test func optionals() throws {
    let empty = RuntimeValue.optional(nil)
    let full = try run(OptionalOperator(), [Self.row])[0]
    #expect(full == .optional(Self.row))
    #expect(try run(OptionalGetElementOperator(), [full]) == [Self.row])
    #expect(throws: OperatorFailure.self) { try run(OptionalGetElementOperator(), [empty]) }
    for (value, expected) in [(empty, false), (full, true), (Self.row, true), (nil, false)]
      as [(RuntimeValue?, Bool)]
    {
      #expect(
        try run(OptionalHasElementOperator(), [value]) == [.tensor(try Tensor(scalar: expected))])
    }
  }
}
