#if canImport(Glibc)
  import Glibc
#endif
import Synchronization

/// Elements that lie in a mapped file, at any alignment: pages are read when they are touched, and can be given back.
final class MappedBytes: Sendable {
  private let file: MappedFile
  private let range: Range<Int>
  private let copied = Mutex<AlignedBuffer?>(nil)

  /// - Precondition: `range` lies within the file.
  init(_ file: MappedFile, _ range: Range<Int>) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= file.count, "a range that the file does not have")
    self.file = file
    self.range = range
  }

  var count: Int { range.count }

  /// Only good while this object lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

  /// An aligned copy, made when first asked for and kept.
  var buffer: AlignedBuffer {
    copied.withLock { copied in
      if let copied { return copied }
      guard let made = try? AlignedBuffer(byteCount: count) else {
        preconditionFailure("out of memory while copying a tensor of \(count) bytes")
      }
      made.bytes.copyMemory(from: bytes)
      releasePages()
      copied = made
      return made
    }
  }

  /// Lets the operating system take back the pages that hold only these elements; they are read again when touched.
  func releasePages() {
    guard let base = bytes.baseAddress else { return }
    let page = Int(getpagesize())
    let first = (Int(bitPattern: base) + page - 1) / page * page
    let end = (Int(bitPattern: base) + count) / page * page
    if first < end { madvise(UnsafeMutableRawPointer(bitPattern: first), end - first, MADV_DONTNEED) }
  }
}
