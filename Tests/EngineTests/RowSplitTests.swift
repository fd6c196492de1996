import GraphIR
import Synchronization
import Tensors
import Testing

@testable import Engine

@Suite struct RowSplitTests {
  /// A convolution and a classifier, of whose five scores each row takes those that `k` names; x is `[n, 8, 64, 64]`,
  /// k `[n, 2]`.
  private static func program(_ batch: Dimension = .symbol("n"), arenaLimit: Int? = nil) throws -> Program {
    var numbers = NumberSequence(seed: 11)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [batch, .known(8), .known(64), .known(64)])
    let k = builder.input("k", .int64, [batch, .known(2)])
    let image = builder.node(
      "Conv", [x, builder.constant(try numbers.tensor([16, 8, 3, 3]))],
      attributes: ["pads": .ints([1, 1, 1, 1])])[0]
    let pooled = builder.node("GlobalAveragePool", [builder.node("Relu", [image])[0]])[0]
    let scores = builder.node(
      "Gemm", [builder.node("Flatten", [pooled])[0], builder.constant(try numbers.tensor([16, 5]))])[0]
    builder.output(builder.node("GatherElements", [scores, k], attributes: ["axis": .int(1)])[0])
    builder.output(pooled)
    var options = CompileOptions()
    if let arenaLimit { options.arenaLimit = arenaLimit }
    return try Program.compile(builder.model(), options: options)
  }

  private static func inputs(_ rows: Int, chosen: [Int64]? = nil) throws -> [Tensor] {
    var numbers = NumberSequence(seed: 12)
    let chosen = chosen ?? (0..<Int64(2 * rows)).map { $0 % 5 }
    return [try numbers.tensor([rows, 8, 64, 64]), try Tensor(shape: [rows, 2], chosen)]
  }

  private static func split(_ program: Program, _ shapes: [Shape], threads: Int = 1) -> RowSplit? {
    RowSplit(program, shapes: shapes, team: ThreadTeam(threads: threads))
  }

  /// Whatever the number of threads, and whether a last round is full or not.
  @Test(arguments: [1, 2, 3, 4]) func rowsAloneAreRowsTogether(threads: Int) throws {
    let program = try Self.program()
    for rows in [3, 5, 7] {
      let inputs = try Self.inputs(rows)
      #expect(Self.split(program, inputs.map(\.shape), threads: threads)?.count == rows)
      let session = Session(program, team: ThreadTeam(threads: threads))
      let outputs = try session.run(inputs)
      #expect(outputs.map(\.shape) == [[rows, 2], [rows, 16, 1, 1]])
      let alone = Session(program, team: ThreadTeam(threads: 1))
      for row in 0..<rows {
        let image = inputs[0].array(of: Float.self)[row * 32768..<(row + 1) * 32768]
        let chosen = inputs[1].array(of: Int64.self)[row * 2..<(row + 1) * 2]
        let single = try alone.run([
          Tensor(shape: [1, 8, 64, 64], Array(image)), Tensor(shape: [1, 2], Array(chosen)),
        ])
        for (output, width) in [(0, 2), (1, 16)] {
          let own = Array(outputs[output].array(of: Float.self)[row * width..<(row + 1) * width])
          #expect(own == single[output].array(of: Float.self))
        }
      }
    }
  }

  /// A batch takes the memory of its inputs and outputs, and of one row for each thread.
  @Test func memoryIsThatOfFewRows() throws {
    let program = try Self.program()
    func bytes(_ rows: Int) throws -> Int {
      let session = Session(program, team: ThreadTeam(threads: 2))
      try session.prepare(Self.inputs(rows).map(\.shape))
      return session.arenaBytes
    }
    let image = 8 * 64 * 64 * 4
    #expect(try bytes(40) - bytes(20) < 20 * (image + 1024))
  }

  /// Where a row for each thread is more than a run may take, the rows share one arena; where that is too much as well,
  /// the run is refused as it would be without threads.
  @Test func rowsOfAllThreadsStayWithinTheMemoryOfARun() throws {
    let inputs = try Self.inputs(4)
    let expected = try Session(try Self.program(), team: ThreadTeam(threads: 1)).run(inputs)
    for limit in [4 << 20, 16 << 20] {
      let session = Session(try Self.program(arenaLimit: limit), team: ThreadTeam(threads: 16))
      let outputs = try session.run(inputs)
      #expect(zip(outputs, expected).allSatisfy { $0.array(of: Float.self) == $1.array(of: Float.self) })
      #expect(session.arenaBytes <= limit)
    }
    let small = Session(try Self.program(arenaLimit: 1 << 20), team: ThreadTeam(threads: 1))
    let refusal = #expect(throws: EngineError.self) { try small.run(inputs) }
    if case .memoryLimit = refusal {} else { Issue.record("\(String(describing: refusal))") }
    #expect(small.arenaBytes <= 1 << 20)
  }

  @Test func fewOrSmallRowsStayTogether() throws {
    let program = try Self.program()
    func isSplit(_ rows: Int) throws -> Bool {
      Self.split(program, try Self.inputs(rows).map(\.shape)) != nil
    }
    #expect(try !isSplit(0))
    #expect(try !isSplit(1))
    #expect(try !isSplit(2))
    #expect(try isSplit(3))
    #expect(Self.split(try Self.program(.known(8)), try Self.inputs(8).map(\.shape)) == nil)
  }

  /// Their weights meet one element of a row at a time.
  @Test func weightsThatARowUsesOnceKeepRowsTogether() throws {
    var numbers = NumberSequence(seed: 13)
    var dense = GraphBuilder()
    let x = dense.input("x", .float32, [.symbol("n"), .known(2048)])
    dense.output(dense.node("MatMul", [x, dense.constant(try numbers.tensor([2048, 1024]))])[0])
    #expect(Self.split(try dense.program(), [[512, 2048]]) == nil)

    var recurrent = GraphBuilder()
    let tokens = recurrent.input("tokens", .float32, [.symbol("n"), .known(64), .known(64)])
    let weights = [
      recurrent.constant(try numbers.tensor([1, 256, 64])),
      recurrent.constant(try numbers.tensor([1, 256, 64])),
    ]
    let states = recurrent.node(
      "LSTM", [tokens] + weights, attributes: ["hidden_size": .int(64), "layout": .int(1)])[0]
    recurrent.output(states)
    #expect(Self.split(try recurrent.program(), [[512, 64, 64]]) == nil)
  }

  @Test func roundsThatLeaveMostThreadsIdleAreNotMade() throws {
    let program = try Self.program()
    for (rows, threads, expected) in [
      (8, 1, 0), (8, 2, 8), (7, 2, 6), (5, 4, 4), (7, 4, 7), (6, 4, 4), (3, 16, 0), (9, 16, 9),
    ] {
      let split = try #require(Self.split(program, try Self.inputs(rows).map(\.shape)))
      #expect(split.rowsOnThreads(of: ThreadTeam(threads: threads)) == expected)
    }
  }

  @Test(arguments: [1, 2]) func aFailingRowEndsTheRunAndHarmsNoLaterOne(threads: Int) throws {
    let session = Session(try Self.program(), team: ThreadTeam(threads: threads))
    let good = try Self.inputs(6)
    let expected = try session.run(good)[0].array(of: Float.self)
    let bad = try Self.inputs(6, chosen: [0, 1, 0, 1, 0, 1, 0, 1, 0, 5, 0, 1])
    do {
      _ = try session.run(bad)
      Issue.record("an index that is out of range passes")
    } catch EngineError.invalidOperation(_, let op, _) {
      #expect(op == "GatherElements")
    }
    #expect(try session.run(good)[0].array(of: Float.self) == expected)
  }

  @Test(arguments: [1, 2]) func aRunCanBeCancelled(threads: Int) throws {
    let session = Session(try Self.program(), team: ThreadTeam(threads: threads))
    let inputs = try Self.inputs(40)
    let expected = try session.run(inputs)[0].array(of: Float.self)
    var questions = 0
    session.isCancelled = {
      questions += 1
      return questions > 3
    }
    // Only the calling thread asks: on a busy machine the others can finish before it has its turn.
    var outcome: [Tensor]?
    var attempts = 0
    repeat {
      questions = 0
      attempts += 1
      outcome = try? session.run(inputs)
    } while questions < 4 && attempts < 200
    #expect(questions == 4 && outcome == nil)
    session.isCancelled = nil
    #expect(try session.run(inputs)[0].array(of: Float.self) == expected)
  }

  @Test func aProfileHasEveryRow() throws {
    let session = Session(try Self.program(), team: ThreadTeam(threads: 2))
    let profiler = Profiler()
    session.profiler = profiler
    _ = try session.run(Self.inputs(6))
    #expect(!profiler.entries.isEmpty)
    #expect(profiler.entries.allSatisfy { $0.calls == 6 })
    let convolution = try #require(profiler.entries.first { $0.op.hasSuffix("ConvNHWC") })
    #expect(convolution.work.multiplyAccumulates == 64 * 64 * 8 * 16 * 9)
  }
}
