import Synchronization
import Testing

@testable import Engine

@Suite struct ThreadTeamTests {
  @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000]) func runsEveryPieceOnce(threads: Int, pieces: Int) {
    let team = ThreadTeam(threads: threads)
    for _ in 0..<50 {
      let counts = UnsafeMutablePointer<Int>.allocate(capacity: max(1, pieces))
      counts.initialize(repeating: 0, count: max(1, pieces))
      team.parallel(pieces) { counts[$0] += 1 }
      #expect((0..<pieces).allSatisfy { counts[$0] == 1 })
      counts.deallocate()
    }
  }

  /// More of them than fit a ticket.
  @Test(arguments: [65_535, 65_536, 140_001]) func runsManyPieces(pieces: Int) {
    let counts = UnsafeMutablePointer<UInt8>.allocate(capacity: pieces)
    defer { counts.deallocate() }
    counts.initialize(repeating: 0, count: pieces)
    ThreadTeam(threads: 3).parallel(pieces) { counts[$0] += 1 }
    #expect((0..<pieces).allSatisfy { counts[$0] == 1 })
  }

  @Test func nestedCallsRunInline() {
    let team = ThreadTeam(threads: 3)
    let total = Atomic<Int>(0)
    team.parallel(10) { _ in
      team.parallel(10) { _ in total.wrappingAdd(1, ordering: .relaxed) }
    }
    #expect(total.load(ordering: .relaxed) == 100)
  }

  @Test func servesSeveralCallersAtOnce() async {
    let team = ThreadTeam(threads: 2)
    let sums = await withTaskGroup(of: Int.self) { group in
      for caller in 0..<4 {
        group.addTask {
          let total = Atomic<Int>(0)
          for _ in 0..<200 { team.parallel(16) { total.wrappingAdd($0 + caller, ordering: .relaxed) } }
          return total.load(ordering: .relaxed) - 200 * 16 * caller
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(sums == [Int](repeating: 200 * 120, count: 4))
  }

  @Test(arguments: [
    ("150000 100000\n", 2), ("100000 100000", 1), ("max 100000\n", nil), ("-1 100000", nil), ("", nil),
    ("20000 100000", 1),
  ]) func readsQuota(text: String, expected: Int?) {
    #expect(CPU.parseQuota(version2: text) == expected)
  }

  @Test func readsAffinity() {
    #expect(
      CPU.parseAffinity(status: "Name:\tx\nCpus_allowed:\tff,00000003\nCpus_allowed_list:\t0-1\n") == 10)
    #expect(CPU.parseAffinity(status: "Name:\tx\n") == nil)
    #expect(CPU.threadsAvailable >= 1)
  }
}
