import CLinux
import Glibc

/// A pipe whose write end goes to a child. Confined to one thread.
final class Pipe {
  private var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws(ServingError) {
    var ends: [Int32] = [-1, -1]
    if adze_pipe_close_on_exec(&ends) != 0 { throw FileSystem.failure("making a pipe") }
    (readEnd, writeEnd) = (ends[0], ends[1])
    _ = fcntl(readEnd, F_SETFL, O_NONBLOCK)
  }

  deinit {
    closeWriteEnd()
    closeReadEnd()
  }

  /// False once the other side has closed it.
  var isOpen: Bool { readEnd >= 0 }

  func closeWriteEnd() {
    if writeEnd >= 0 { close(writeEnd) }
    writeEnd = -1
  }

  private func closeReadEnd() {
    if readEnd >= 0 { close(readEnd) }
    readEnd = -1
  }

  /// What is there to read now; nil when there is nothing.
  func read() -> ArraySlice<UInt8>? {
    if readEnd < 0 { return nil }
    var buffer = [UInt8](repeating: 0, count: 16_384)
    let got = Glibc.read(readEnd, &buffer, buffer.count)
    if got > 0 { return buffer[..<got] }
    if got == 0 || (errno != EAGAIN && errno != EINTR) { closeReadEnd() }
    return nil
  }

  /// Sleeps until one of the pipes can be read or was closed, or the time is over.
  static func wait(for pipes: [Pipe], milliseconds: Int32) {
    var polled = pipes.filter(\.isOpen).map { pollfd(fd: $0.readEnd, events: Int16(POLLIN), revents: 0) }
    _ = poll(&polled, nfds_t(polled.count), milliseconds)
  }
}
