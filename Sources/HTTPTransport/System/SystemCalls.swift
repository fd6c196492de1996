import CLinux
import Glibc

/// What a read or write on a non-blocking descriptor came to.
enum TransferResult: Equatable {
  case bytes(Int)
  case wouldBlock
  /// The peer closed its side (reads only).
  case end
  case failed(code: Int32)
}

/// Every system call of the transport.
///
/// Each function reads errno in the statement after its call, before anything else can run, and repeats on EINTR
/// where the call can be interrupted. Closing is not repeated: on Linux the descriptor is gone either way.
enum SystemCalls {
  // MARK: Transfers

  static func receive(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> TransferResult {
    while true {
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      let code = errno
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      if code == EAGAIN || code == EWOULDBLOCK { return .wouldBlock }
      if code != EINTR { return .failed(code: code) }
    }
  }

  static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> TransferResult {
    while true {
      let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      let code = errno
      if count >= 0 { return .bytes(count) }
      if code == EAGAIN || code == EWOULDBLOCK { return .wouldBlock }
      if code != EINTR { return .failed(code: code) }
    }
  }

  /// Reads from a file; `.end` at and behind its end.
  static func read(
    _ descriptor: Int32, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) -> TransferResult {
    while true {
      let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
      let code = errno
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      if code != EINTR { return .failed(code: code) }
    }
  }

  static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

  /// Tells the peer that nothing more will be sent.
  static func shutdownSending(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_WR)) }

  // MARK: Listening

  /// A bound, listening, non-blocking socket.
  static func listen(on address: SocketAddress, backlog: Int) throws(TransportError) -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = try check("socket", socket(Int32(address.family), type, 0))
    do throws(TransportError) {
      try setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
      if address.family == AF_INET6 {
        try setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address.isDualStack ? 0 : 1)
      }
      _ = try check("bind", address.withPointer { bind(descriptor, $0, $1) })
      _ = try check("listen", Glibc.listen(descriptor, Int32(backlog)))
      return descriptor
    } catch {
      close(descriptor)
      throw error
    }
  }

  enum Accepted {
    case connection(Int32)
    case none
    /// Out of descriptors or memory: accepting again at once would fail again.
    case exhausted
  }

  static func accept(_ listener: Int32) -> Accepted {
    while true {
      let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let descriptor = adze_accept4(listener, nil, nil, flags)
      let code = errno
      if descriptor >= 0 { return .connection(descriptor) }
      switch code {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
      // The connection ended while it waited; there may be others.
      case EINTR, ECONNABORTED, EPROTO: continue
      default: return .none
      }
    }
  }

  /// The port that the system bound the socket to.
  static func boundPort(_ descriptor: Int32) throws(TransportError) -> Int {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    _ = try check("getsockname", status)
    // sockaddr_in and sockaddr_in6 both hold the port, in network order, behind the family.
    return withUnsafeBytes(of: &storage) {
      Int(UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)))
    }
  }

  /// Small responses must not wait for the acknowledgement of earlier ones.
  static func disableDelay(_ descriptor: Int32) {
    try? setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  private static func setOption(
    _ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32
  ) throws(TransportError) {
    var value = value
    let size = socklen_t(MemoryLayout<Int32>.size)
    _ = try check("setsockopt", setsockopt(descriptor, level, name, &value, size))
  }

  // MARK: Polling

  static func makePoll() throws(TransportError) -> Int32 {
    try check("epoll_create1", epoll_create1(Int32(EPOLL_CLOEXEC)))
  }

  static func makeEvent() throws(TransportError) -> Int32 {
    try check("eventfd", eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)))
  }

  static func makeTimer() throws(TransportError) -> Int32 {
    let flags = Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK)
    return try check("timerfd_create", timerfd_create(CLOCK_MONOTONIC, flags))
  }

  enum PollChange {
    case add, modify, remove

    fileprivate var operation: Int32 {
      switch self {
      case .add: EPOLL_CTL_ADD
      case .modify: EPOLL_CTL_MOD
      case .remove: EPOLL_CTL_DEL
      }
    }
  }

  /// False when the descriptor cannot be polled (out of kernel memory or watches).
  static func changePoll(
    _ poll: Int32, _ change: PollChange, _ descriptor: Int32, events: UInt32, token: UInt64
  ) -> Bool {
    var event = epoll_event()
    event.events = events
    event.data.u64 = token
    return epoll_ctl(poll, change.operation, descriptor, &event) == 0
  }

  /// How many events were written; an interrupted wait is an empty one.
  static func wait(
    _ poll: Int32, _ events: UnsafeMutableBufferPointer<epoll_event>, milliseconds: Int32
  ) -> Int {
    max(0, Int(epoll_wait(poll, events.baseAddress, Int32(events.count), milliseconds)))
  }

  /// Adds one to an eventfd.
  static func signal(_ event: Int32) {
    var one: UInt64 = 1
    _ = Glibc.write(event, &one, 8)
  }

  /// Empties an eventfd or timerfd.
  static func acknowledge(_ descriptor: Int32) {
    var count: UInt64 = 0
    _ = Glibc.read(descriptor, &count, 8)
  }

  /// Fires every `nanoseconds` from now on; 0 stops it.
  static func setTimer(_ timer: Int32, everyNanoseconds nanoseconds: Int) {
    let period = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    var setting = itimerspec(it_interval: period, it_value: period)
    _ = timerfd_settime(timer, 0, &setting, nil)
  }

  // MARK: Time and threads

  /// Nanoseconds of the monotonic clock.
  static func monotonicNanoseconds() -> Int {
    var time = timespec()
    _ = clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Seconds since 1970, and the same split up in UTC.
  static func calendarTime() -> (seconds: Int, parts: tm) {
    var seconds = Glibc.time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    return (seconds, parts)
  }

  static func currentThread() -> UInt { pthread_self() }

  static func pause(milliseconds: UInt32) { _ = usleep(milliseconds * 1000) }

  // MARK: Errors

  private static func check(
    _ call: String, _ result: @autoclosure () -> Int32
  ) throws(TransportError) -> Int32 {
    let value = result()
    let code = errno
    guard value >= 0 else { throw .system(call: call, code: code, reason: String(cString: strerror(code))) }
    return value
  }
}
