/// Hands out places in a kernel's scratch memory, each on a cache line of its own.
struct ScratchLayout {
  private(set) var byteCount = 0

  /// - Returns: the offset in bytes of a place for a float32 array with these extents.
  /// - Throws: `OperatorFailure.invalid` when its size, or that of all, cannot be addressed.
  mutating func add(floats extents: Int...) throws(OperatorFailure) -> Int {
    var bytes = MemoryLayout<Float>.stride
    for extent in extents {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
      if overflow { throw .invalid("the working memory would have too many bytes") }
      bytes = product
    }
    let place = byteCount
    let (end, overflow) = place.addingReportingOverflow(bytes)
    if overflow || end > Int.max - 63 { throw .invalid("the working memory would have too many bytes") }
    byteCount = (end + 63) & ~63
    return place
  }
}
