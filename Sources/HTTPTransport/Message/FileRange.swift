import Glibc

/// A part of an open file. It owns the descriptor and closes it when the last copy is gone, sent or not.
public struct FileRange: Sendable {
  private final class Descriptor: Sendable {
    let number: Int32
    init(_ number: Int32) { self.number = number }
    deinit { _ = close(number) }
  }

  private let owner: Descriptor
  public let offset: Int
  public let length: Int

  /// Takes over `descriptor`, which must be open for reading and allow `pread`. A file that turns out shorter
  /// than `offset + length` while it is sent ends the response abnormally, so that the client notices.
  public init(descriptor: Int32, offset: Int = 0, length: Int) {
    precondition(offset >= 0 && length >= 0)
    owner = Descriptor(descriptor)
    self.offset = offset
    self.length = length
  }

  var descriptor: Int32 { owner.number }
}
