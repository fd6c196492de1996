import Tensors

/// A block of memory that is needed from one step to another, both included.
struct Lifetime: Sendable, Hashable {
  var bytes: Int
  var first: Int
  var last: Int

  func overlaps(_ other: Lifetime) -> Bool { first <= other.last && other.first <= last }
}

/// Gives blocks offsets in one arena so that no two that are needed at the same time share memory.
///
/// Greedy by size: the largest block first, each at the lowest offset that fits between the blocks placed
/// so far that it overlaps in time (Pisarchyk and Lee, "Efficient memory management for deep neural net
/// inference", 2020, section 5.2).
struct ArenaLayout {
  let offsets: [Int]
  let byteCount: Int

  /// - Throws: `EngineError.memoryLimit` when the arena would be larger than `limit`.
  init(_ blocks: [Lifetime], limit: Int) throws(EngineError) {
    var offsets = [Int](repeating: 0, count: blocks.count)
    var total = 0
    var placed: [(offset: Int, end: Int, block: Int)] = []
    let bySize = blocks.indices.sorted {
      blocks[$0].bytes != blocks[$1].bytes ? blocks[$0].bytes > blocks[$1].bytes : $0 < $1
    }
    for block in bySize {
      let size = try Self.padded(blocks[block].bytes, limit: limit)
      var offset = 0
      // `placed` is sorted by offset, so the first gap that is wide enough is the lowest one.
      for other in placed where blocks[other.block].overlaps(blocks[block]) {
        if other.offset >= offset && other.offset - offset >= size { break }
        offset = max(offset, other.end)
      }
      let (end, overflow) = offset.addingReportingOverflow(size)
      if overflow || end > limit { throw .memoryLimit(bytes: overflow ? Int.max : end, limit: limit) }
      offsets[block] = offset
      total = max(total, end)
      let position = placed.firstIndex { $0.offset > offset } ?? placed.count
      placed.insert((offset, end, block), at: position)
    }
    self.offsets = offsets
    byteCount = total
  }

  /// Kernels may read whole vectors past the last element, so every block has a spare line.
  private static func padded(_ bytes: Int, limit: Int) throws(EngineError) -> Int {
    let line = AlignedBuffer.alignment
    if bytes > limit { throw .memoryLimit(bytes: bytes, limit: limit) }
    return ((bytes + line - 1) & ~(line - 1)) + line
  }
}
