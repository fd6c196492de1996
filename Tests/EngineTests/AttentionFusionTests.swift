import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct AttentionFusionTests {
  enum Keys: CaseIterable, Sendable { case turnedTwice, turnedOnce }
  enum Scale: CaseIterable, Sendable { case none, ofScores, quotient, ofQueries }
  enum Mask: CaseIterable, Sendable { case none, perKey, perQuery, one }

  /// Attention of `[n, t, 12]` with three heads, as exporters write it; the result before the heads are joined again when
  /// `joins` is false. The positions make the length of x unknown, as in exported encoders.
  private static func builder(keys: Keys, scale: Scale, mask: Mask, joins: Bool = true) throws -> GraphBuilder
  {
    var numbers = NumberSequence(seed: 21)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .symbol("t"), .known(12)])
    // Only equal names tell that a mask with a row for each query widens nothing.
    let length: Dimension = mask == .perQuery ? .symbol("t") : .unknown
    let positions = builder.input("positions", .float32, [.known(1), length, .known(12)])
    let added = builder.node("Add", [x, positions])[0]
    func project() throws -> ValueID {
      let product = builder.node("MatMul", [added, builder.constant(try numbers.tensor([12, 12]))])[0]
      let biased = builder.node("Add", [builder.constant(try numbers.tensor([12])), product])[0]
      return builder.node("Reshape", [biased, builder.constant(try Tensor(shape: [4], [0, 0, 3, 4]))])[0]
    }
    func turn(_ id: ValueID, _ order: [Int]) -> ValueID {
      builder.node("Transpose", [id], attributes: ["perm": .ints(order)])[0]
    }
    let factor = builder.constant(try Tensor(scalar: Float(1.7)))
    var q = turn(try project(), [0, 2, 1, 3])
    if scale == .ofQueries { q = builder.node("Mul", [factor, q])[0] }
    let k = try project()
    let turned = keys == .turnedOnce ? turn(k, [0, 2, 3, 1]) : turn(turn(k, [0, 2, 1, 3]), [0, 1, 3, 2])
    let v = turn(try project(), [0, 2, 1, 3])
    var scores = builder.node("MatMul", [q, turned])[0]
    if scale == .ofScores { scores = builder.node("Mul", [scores, factor])[0] }
    if scale == .quotient { scores = builder.node("Div", [scores, factor])[0] }
    if mask != .none {
      let dimensions: [Dimension] =
        switch mask {
        case .perKey: [.symbol("n"), .known(1), .known(1), .symbol("t")]
        case .perQuery: [.symbol("t"), .symbol("t")]
        default: [.known(1)]
        }
      scores = builder.node("Add", [scores, builder.input("mask", .float32, dimensions)])[0]
    }
    let chances = builder.node("Softmax", [scores], attributes: ["axis": .int(-1)])[0]
    var result = builder.node("MatMul", [chances, v])[0]
    if joins {
      result = turn(result, [0, 2, 1, 3])
      result = builder.node("Reshape", [result, builder.constant(try Tensor(shape: [3], [0, 0, 12]))])[0]
    }
    builder.output(result)
    return builder
  }

  private static func inputs(mask: Mask, batch: Int, length: Int) throws -> [Tensor] {
    var numbers = NumberSequence(seed: 22)
    var inputs = [try numbers.tensor([batch, length, 12]), try numbers.tensor([1, length, 12])]
    switch mask {
    case .none: break
    case .perKey: inputs.append(try numbers.tensor([batch, 1, 1, length]))
    case .perQuery: inputs.append(try numbers.tensor([length, length]))
    case .one: inputs.append(try numbers.tensor([1]))
    }
    return inputs
  }

  private static func compare(_ builder: GraphBuilder, _ inputs: [Tensor], ops: [OperatorName: Int]) throws {
    let (fused, plain) = (try builder.program(), try builder.program(fuse: false))
    for (op, count) in ops { #expect(fused.nodes.count { $0.node.op == op } == count, "\(op)") }
    #expect(fused.batching.isAllowed == plain.batching.isAllowed)
    let results = try [fused, plain].map { program in
      try [1, 2, 3].map { threads in
        try Session(program, team: ThreadTeam(threads: threads)).run(inputs)[0].array(of: Float.self)
      }
    }
    #expect(results[0][0] == results[0][1] && results[0][0] == results[0][2])
    #expect(results[0][0].count == results[1][0].count)
    #expect(zip(results[0][0], results[1][0]).allSatisfy { abs($0 - $1) <= 2e-5 })
  }

  @Test(arguments: Keys.allCases, Scale.allCases) func isOneNodeWithoutTransposes(keys: Keys, scale: Scale)
    throws
  {
    for mask in Mask.allCases {
      try Self.compare(
        try Self.builder(keys: keys, scale: scale, mask: mask),
        try Self.inputs(mask: mask, batch: 2, length: 5),
        ops: [FusedOperator.attention: 1, "MatMul": 0, "Softmax": 0, "Transpose": 0, "Reshape": 0])
    }
  }

  /// Rows of a batch stay independent.
  @Test func encoderIsBatched() throws {
    let program = try NetworkCases.attention().program()
    let ops = program.nodes.map(\.node.op)
    #expect(ops.contains(FusedOperator.attention) && ops.contains(FusedOperator.addLayerNormalization))
    #expect(program.batching == .rows)
  }

  /// Blocks of 48 queries and 256 keys, and one more.
  @Test(arguments: [0, 1, 47, 48, 49, 256, 257, 530]) func agreesAtEveryLength(length: Int) throws {
    try Self.compare(
      try Self.builder(keys: .turnedOnce, scale: .ofScores, mask: .perQuery),
      try Self.inputs(mask: .perQuery, batch: 1, length: length), ops: [FusedOperator.attention: 1])
  }

  /// Heads that stay apart keep their Transposes.
  @Test func headsThatStayApart() throws {
    try Self.compare(
      try Self.builder(keys: .turnedTwice, scale: .ofScores, mask: .perKey, joins: false),
      try Self.inputs(mask: .perKey, batch: 2, length: 7), ops: [FusedOperator.attention: 1, "Softmax": 0])
    try Self.compare(
      try Self.builder(keys: .turnedOnce, scale: .ofScores, mask: .perKey, joins: false),
      try Self.inputs(mask: .perKey, batch: 2, length: 7), ops: [FusedOperator.attention: 0, "Softmax": 1])
  }

  /// A mask that may have more keys or batches than the scores widens them, which one node cannot do.
  @Test func wideningMaskStays() throws {
    var builder = GraphBuilder()
    let q = builder.input("q", .float32, [.known(1), .known(1), .symbol("t"), .known(4)])
    let k = builder.input("k", .float32, [.known(1), .known(1), .symbol("t"), .known(4)])
    let mask = builder.input("mask", .float32, [.symbol("n"), .known(1), .known(1), .symbol("t")])
    let turned = builder.node("Transpose", [k], attributes: ["perm": .ints([0, 1, 3, 2])])[0]
    let scores = builder.node("Add", [builder.node("MatMul", [q, turned])[0], mask])[0]
    builder.output(builder.node("MatMul", [builder.node("Softmax", [scores])[0], k])[0])
    #expect(try !builder.program().nodes.contains { $0.node.op == FusedOperator.attention })
  }
}
