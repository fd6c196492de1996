/// Bytes on their way to a socket, gathered so that one `send` takes many frames. One per loop.
final class OutputBuffer {
  private var memory: UnsafeMutableRawBufferPointer
  private(set) var count = 0
  /// Producers stop once this much is there.
  let goal: Int

  init(goal: Int) {
    self.goal = goal
    memory = .allocate(byteCount: goal + (64 << 10), alignment: 64)
  }

  deinit { memory.deallocate() }

  var isFull: Bool { count >= goal }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

  func removeAll() { count = 0 }

  func append(_ source: UnsafeRawBufferPointer) {
    guard !source.isEmpty else { return }
    makeRoom(source.count).copyMemory(from: source)
    count += source.count
  }

  func append(_ source: [UInt8]) { source.withUnsafeBytes { append($0) } }

  func append(_ source: StaticString) {
    append(UnsafeRawBufferPointer(start: source.utf8Start, count: source.utf8CodeUnitCount))
  }

  /// Free space up to the goal, at least `minimum` bytes; `commit` tells how much of it was used.
  func space(atLeast minimum: Int) -> UnsafeMutableRawBufferPointer {
    makeRoom(max(minimum, goal - count))
  }

  func commit(_ used: Int) { count += used }

  private func makeRoom(_ amount: Int) -> UnsafeMutableRawBufferPointer {
    if memory.count - count < amount {
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: (count + amount) * 2, alignment: 64)
      larger.copyMemory(from: bytes)
      memory.deallocate()
      memory = larger
    }
    return UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + amount])
  }
}
