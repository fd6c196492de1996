import GraphIR
import Glibc
import Synchronization
import Tensors
import Testing

@testable import Engine

/// Counts the objects that the Swift runtime allocates on one thread. The runtime calls through a pointer that
/// tools may replace, which is what this does.
private enum AllocationCounter {
  typealias Allocate = @convention(c) (UnsafeRawPointer?, Int, Int) -> UnsafeMutableRawPointer?

  nonisolated(unsafe) static var original: Allocate?
  static let count = Atomic<Int>(0)
  static let thread = Atomic<UInt>(0)

  static func allocations(_ body: () throws -> Void) throws -> Int {
    let handle = dlopen(nil, RTLD_NOW)
    let symbol = try #require(dlsym(handle, "_swift_allocObject"))
    let slot = symbol.assumingMemoryBound(to: Allocate.self)
    original = slot.pointee
    count.store(0, ordering: .relaxed)
    thread.store(UInt(pthread_self()), ordering: .relaxed)
    slot.pointee = { metadata, size, alignment in
      if UInt(pthread_self()) == AllocationCounter.thread.load(ordering: .relaxed) {
        AllocationCounter.count.wrappingAdd(1, ordering: .relaxed)
      }
      return AllocationCounter.original!(metadata, size, alignment)
    }
    defer { slot.pointee = original! }
    try body()
    return count.load(ordering: .relaxed)
  }
}

@Suite(.serialized) struct AllocationTests {
  private final class Box {}

  @Test func counterSeesAllocations() throws {
    var kept: [Box] = []
    kept.reserveCapacity(10)
    let count = try AllocationCounter.allocations { for _ in 0..<10 { kept.append(Box()) } }
    #expect(count >= 10)
  }

  @Test(arguments: [1, 2]) func steadyStateAllocatesNothing(threads: Int) throws {
    let session = Session(try NetworkCases.convolutional().program(), team: ThreadTeam(threads: threads))
    let shapes: [Shape] = [[2, 3, 12, 12]]
    try session.prepare(shapes)
    try session.execute()
    let count = try AllocationCounter.allocations {
      for _ in 0..<20 {
        try session.prepare(shapes)
        session.withInputBytes(0) { _ in }
        try session.execute()
        session.withOutputBytes(0) { _ in }
      }
    }
    #expect(count == 0)
  }
}
