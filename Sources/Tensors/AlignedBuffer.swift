#if canImport(Glibc)
  import Glibc
#endif

/// A zero-filled, 64-byte aligned block of memory, freed with its last reference.
///
/// 64 bytes are a cache line and the widest vector register, so kernels may use aligned loads.
public final class AlignedBuffer: @unchecked Sendable {
  // Sendable because writers hold the only reference (`Tensor` copies on write) or own the buffer outright.
  public static let alignment = 64
  /// From this size on a block is a mapping of its own: the kernel gives it zero pages when they are touched, large
  /// ones where it can, and takes them back at once when it is freed.
  private static let mappedSize = 1 << 20
  private static let hugePage = 2 << 20

  public let bytes: UnsafeMutableRawBufferPointer
  /// Bytes to unmap; 0 for what the allocator gave.
  private let mapped: Int

  /// - Throws: `TensorError.outOfMemory` when the allocator refuses `byteCount` bytes.
  public init(byteCount: Int) throws(TensorError) {
    // Kernels may read whole vectors past the last element, so a spare line is always there.
    let (padded, overflow) = byteCount.addingReportingOverflow(2 * AlignedBuffer.alignment)
    if byteCount < 0 || overflow || padded > Int.max - 2 * Self.hugePage {
      throw .outOfMemory(bytes: byteCount)
    }
    let rounded = padded & ~(AlignedBuffer.alignment - 1)
    if rounded >= Self.mappedSize {
      guard let (base, size) = Self.map(rounded) else { throw .outOfMemory(bytes: byteCount) }
      mapped = size
      bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
      return
    }
    guard let base = aligned_alloc(AlignedBuffer.alignment, rounded) else {
      throw .outOfMemory(bytes: byteCount)
    }
    memset(base, 0, rounded)
    mapped = 0
    bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  deinit {
    if mapped > 0 { munmap(bytes.baseAddress!, mapped) } else { free(bytes.baseAddress) }
  }

  public var count: Int { bytes.count }

  /// Zero pages for `size` bytes, from a multiple of the large page size on when they fill at least one.
  private static func map(_ size: Int) -> (base: UnsafeMutableRawPointer, size: Int)? {
    let page = Int(getpagesize())
    let size = (size + page - 1) / page * page
    let spare = size >= hugePage ? hugePage : 0
    let start = mmap(nil, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let start, start != MAP_FAILED else { return nil }
    if spare == 0 { return (start, size) }
    let before = (hugePage - Int(bitPattern: start) % hugePage) % hugePage
    if before > 0 { munmap(start, before) }
    let base = start + before
    if spare > before { munmap(base + size, spare - before) }
    madvise(base, size, MADV_HUGEPAGE)
    return (base, size)
  }
}
