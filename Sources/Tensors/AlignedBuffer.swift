#if canImport(Glibc)
  import Glibc
#endif

/// A zero-filled, 64-byte aligned block of memory, freed with its last reference.
///
/// 64 bytes are a cache line and the widest vector register, so kernels may use aligned loads.
public final class AlignedBuffer: @unchecked Sendable {
  // Sendable because writers hold the only reference (`Tensor` copies on write) or own the buffer outright.
  public static let alignment = 64

  public let bytes: UnsafeMutableRawBufferPointer

  /// - Throws: `TensorError.outOfMemory` when the allocator refuses `byteCount` bytes.
  public init(byteCount: Int) throws(TensorError) {
    // Kernels may read whole vectors past the last element, so a spare line is always there.
    let (padded, overflow) = byteCount.addingReportingOverflow(2 * AlignedBuffer.alignment)
    if byteCount < 0 || overflow { throw .outOfMemory(bytes: byteCount) }
    let rounded = padded & ~(AlignedBuffer.alignment - 1)
    guard let base = aligned_alloc(AlignedBuffer.alignment, rounded) else {
      throw .outOfMemory(bytes: byteCount)
    }
    memset(base, 0, rounded)
    bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  deinit { free(bytes.baseAddress) }

  public var count: Int { bytes.count }
}
