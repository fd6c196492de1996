import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct ArenaTests {
  @Test(arguments: 0..<40) func neverOverlaps(seed: Int) throws {
    var numbers = NumberSequence(seed: UInt64(seed))
    let blocks = (0..<60).map { _ -> Lifetime in
      let first = Int(abs(numbers.next()) * 30)
      return Lifetime(
        bytes: Int(abs(numbers.next()) * 5000), first: first, last: first + Int(abs(numbers.next()) * 10))
    }
    let layout = try ArenaLayout(blocks, limit: 1 << 30)
    for a in blocks.indices {
      #expect(layout.offsets[a] % AlignedBuffer.alignment == 0)
      #expect(layout.offsets[a] + blocks[a].bytes <= layout.byteCount)
      for b in 0..<a where blocks[a].overlaps(blocks[b]) {
        let disjoint =
          layout.offsets[a] + blocks[a].bytes <= layout.offsets[b]
          || layout.offsets[b] + blocks[b].bytes <= layout.offsets[a]
        #expect(disjoint, "blocks \(a) and \(b)")
      }
    }
  }

  @Test func reusesMemoryThatIsNoLongerNeeded() throws {
    let blocks = (0..<10).map { Lifetime(bytes: 1024, first: $0, last: $0) }
    #expect(try ArenaLayout(blocks, limit: 1 << 20).byteCount < 2 * 1024)
  }

  @Test func refusesMoreThanTheLimit() {
    let blocks = [Lifetime(bytes: 600, first: 0, last: 1), Lifetime(bytes: 600, first: 1, last: 2)]
    #expect(throws: EngineError.self) { try ArenaLayout(blocks, limit: 1000) }
    #expect(throws: EngineError.memoryLimit(bytes: .max, limit: 1000)) {
      try ArenaLayout([Lifetime(bytes: .max, first: 0, last: 0)], limit: 1000)
    }
  }
}

@Suite struct PlanTests {
  /// A chain of elementwise operators computes in one block beside the pinned input and output.
  @Test func computesInPlace() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.known(1000)])
    var value = x
    for _ in 0..<8 { value = builder.node("Exp", [value])[0] }
    builder.output(value)
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    try session.prepare([[1000]])
    #expect(session.arenaBytes < 4 * 4000)
  }

  @Test func inputsSurviveARun() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n")])
    builder.output(builder.node("Relu", [x])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    let values: [Float] = [-1, 2, -3]
    _ = try session.run([try Tensor(shape: [3], values)])
    try session.execute()
    #expect(session.output(0).array(of: Float.self) == [0, 2, 0])
    session.withInputBytes(0) { #expect(Array($0.bindMemory(to: Float.self)) == values) }
  }

  @Test func outputsMayBeInputsConstantsOrTwiceTheSame() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n")])
    let c = builder.constant(try Tensor(shape: [2], [7, 8] as [Float]))
    let y = builder.node("Neg", [x])[0]
    builder.output(x, c, y, y)
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    let outputs = try session.run([try Tensor(shape: [2], [1, 2] as [Float])])
    #expect(outputs.map { $0.array(of: Float.self) } == [[1, 2], [7, 8], [-1, -2], [-1, -2]])
  }

  /// What is computed from shapes alone is known before the run, so the reshape is no step of its own.
  @Test func shapesAreComputedWhilePlanning() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(2), .known(3)])
    let shape = builder.node("Shape", [x])[0]
    let batch = builder.node("Gather", [shape, builder.constant(try Tensor(scalar: 0))])[0]
    let rank1 = builder.node("Unsqueeze", [batch, builder.constant(try Tensor(shape: [1], [0]))])[0]
    let rest = builder.constant(try Tensor(shape: [1], [-1]))
    let target = builder.node("Concat", [rank1, rest], attributes: ["axis": .int(0)])[0]
    let flat = builder.node("Reshape", [x, target])[0]
    builder.output(builder.node("Relu", [flat])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    session.profiler = Profiler()
    let outputs = try session.run([try Tensor(type: .float32, shape: [5, 2, 3])])
    #expect(outputs[0].shape == [5, 6])
    #expect(session.profiler?.entries.map(\.op) == ["Relu"])
    #expect(session.profiler?.entries.map(\.work) == [NodeWork(bytes: 2 * 30 * 4)])
  }

  @Test func workOfNodesFollowsFromShapes() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(8)])
    let weights = builder.constant(try Tensor(type: .float32, shape: [8, 3]))
    builder.output(builder.node("Softmax", [builder.node("MatMul", [x, weights])[0]])[0])
    let program = try builder.program()
    let work = try program.work([[5, 8]])
    #expect(work[0] == NodeWork(multiplyAccumulates: 5 * 8 * 3, bytes: (5 * 8 + 8 * 3 + 5 * 3) * 4))
    #expect(work[1] == NodeWork(bytes: 2 * 5 * 3 * 4))
    #expect(try program.multiplyAccumulates([[2, 8]]) == 2 * 8 * 3)
  }

  @Test func dataDependentShapesRunAsDynamicSteps() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n")])
    let positions = builder.node("NonZero", [x])[0]
    let shape = builder.node("Shape", [positions])[0]
    builder.output(positions, shape)
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    let outputs = try session.run([try Tensor(shape: [4], [0, 1, 0, 2] as [Float])])
    #expect(outputs[0].array(of: Int.self) == [1, 3])
    #expect(outputs[1].array(of: Int.self) == [1, 2])
  }

  @Test func cancelsBetweenNodes() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.known(4)])
    builder.output(builder.node("Exp", [builder.node("Neg", [x])[0]])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    var asked = 0
    session.isCancelled = {
      asked += 1
      return asked == 2
    }
    #expect(throws: EngineError.cancelled) { try session.run([try Tensor(type: .float32, shape: [4])]) }
  }

  @Test func namesUnsupportedOperatorAndType() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .complex64, [.known(2)])
    builder.output(builder.node("Transpose", [x])[0])
    _ = try builder.program()
    var other = GraphBuilder()
    let y = other.input("y", .float32, [.known(2)])
    other.output(other.node("com.example.Magic", [y])[0])
    #expect(throws: EngineError.unsupportedOperator(node: "n0", op: "com.example.Magic")) {
      try other.program()
    }
  }

  @Test func dropsTheOldestPlan() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n")])
    builder.output(builder.node("Neg", [x])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: 1))
    for n in 1...(Session.planLimit + 4) {
      let outputs = try session.run([try Tensor(shape: [n], [Float](repeating: 1, count: n))])
      #expect(outputs[0].array(of: Float.self) == [Float](repeating: -1, count: n))
    }
    #expect(try session.run([try Tensor(shape: [1], [2] as [Float])])[0].array(of: Float.self) == [-2])
  }
}
