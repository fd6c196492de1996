import CLinux

/// One accepted socket: reads, writes, and what becomes of it. Confined to its loop.
final class Connection {
  private enum Stage {
    case open
    /// Everything is sent and the sending side shut; input is read and dropped until the peer closes, so that
    /// its last response is not lost to a reset.
    case lingering(since: Int)
    case closed
  }

  let id: ConnectionID
  let descriptor: Int32
  unowned let loop: EventLoop
  var context: ServerContext { loop.context }

  private var stage = Stage.open
  private var sniffer = ProtocolSniffer()
  private var sniffed: [UInt8] = []
  private var speaks: (any ConnectionProtocol)?
  private var unsent: [UInt8] = []
  private var unsentStart = 0
  private var watched: UInt32 = 0
  private var inputEnded = false
  private var lingered = 0
  private let opened: Int
  private var lastInput: Int
  private var lastOutput: Int
  /// On the loop's list of connections to flush.
  var isDirty = false

  init(id: ConnectionID, descriptor: Int32, loop: EventLoop) {
    self.id = id
    self.descriptor = descriptor
    self.loop = loop
    opened = loop.now
    lastInput = loop.now
    lastOutput = loop.now
  }

  var isClosed: Bool { if case .closed = stage { true } else { false } }

  /// False when the socket cannot be watched.
  func open() -> Bool {
    SystemCalls.disableDelay(descriptor)
    watched = EPOLLIN.rawValue
    return loop.watch(self, .add, events: watched)
  }

  // MARK: Events

  func ready(_ events: UInt32) {
    if events & EPOLLERR.rawValue != 0 { return close() }
    if events & (EPOLLIN.rawValue | EPOLLHUP.rawValue) != 0 {
      readInput(isHungUp: events & EPOLLHUP.rawValue != 0)
    }
    if events & EPOLLOUT.rawValue != 0, !isClosed { loop.markDirty(self) }
  }

  /// At most this many reads in a row, so that one fast sender does not hold up the others.
  private static let readsPerTurn = 8

  private func readInput(isHungUp: Bool) {
    // Hung up while input is not wanted: both directions are shut, and nothing sent arrives.
    if isHungUp, watched & EPOLLIN.rawValue == 0 { return close() }
    for _ in 0..<Self.readsPerTurn {
      let buffer = loop.readBuffer
      switch SystemCalls.receive(descriptor, into: buffer) {
      case .bytes(let count):
        context.counters.bytesReceived.add(count)
        lastInput = loop.now
        receive(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        if isClosed || count < buffer.count { return }
        if let speaks, !speaks.wantsInput { return }
      case .wouldBlock: return
      case .end: return endInput()
      case .failed: return close()
      }
    }
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    switch stage {
    case .closed: break
    case .lingering:
      lingered += bytes.count
      if lingered > context.configuration.discardBytes { close() }
    case .open:
      loop.markDirty(self)
      if let speaks { speaks.receive(bytes) } else { sniff(bytes) }
    }
  }

  private func endInput() {
    inputEnded = true
    if case .lingering = stage { return close() }
    guard let speaks, speaks.receiveEnd() else { return close() }
    loop.markDirty(self)
  }

  // MARK: Protocol

  private func sniff(_ bytes: UnsafeRawBufferPointer) {
    sniffed.append(contentsOf: bytes)
    switch sniffer.look(at: bytes) {
    case .undecided: return
    case .http1: speaks = HTTP1Connection(self)
    case .http2: speaks = HTTP2Connection(self)
    case .tls: return refuseTLS()
    }
    let first = sniffed
    sniffed = []
    first.withUnsafeBytes { speaks?.receive($0) }
  }

  /// The seam for TLS: a TLS layer takes over `SystemCalls.receive` and `send` for this descriptor and lets ALPN
  /// decide what is spoken above it. Without one, the client gets the alert that says so.
  private func refuseTLS() {
    // Alert record, TLS 1.0 framing, fatal, protocol_version.
    unsent = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]
    _ = sendUnsent()
    linger()
  }

  /// Goes on in HTTP/2 behind `101 Switching Protocols`. `rest` is what the client sent after its request.
  func upgrade(_ request: HTTP1Request, settings: [UInt8], rest: UnsafeRawBufferPointer) {
    let switching: StaticString =
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    unsent.append(
      contentsOf: UnsafeRawBufferPointer(start: switching.utf8Start, count: switching.utf8CodeUnitCount))
    let http2 = HTTP2Connection(self)
    speaks = http2
    http2.upgrade(request, settings: settings)
    if !rest.isEmpty { http2.receive(rest) }
  }

  func take(_ message: ExchangeMessage, stream: Int32) {
    guard case .open = stage, let speaks else { return }
    speaks.take(message, stream: stream)
    loop.markDirty(self)
  }

  // MARK: Output

  /// How many buffers one connection may fill before the others get their turn.
  private static let buffersPerTurn = 8

  /// Sends what there is. Called once per turn for every connection on the dirty list.
  func flush() {
    guard case .open = stage else { return }
    guard let speaks else { return }
    var rounds = 0
    while true {
      guard sendUnsent() else { return }
      let output = loop.output
      output.removeAll()
      self.speaks?.produce(into: output)
      if output.count == 0 { break }
      guard sendBuffer(output) else { return }
      rounds += 1
      if rounds == Self.buffersPerTurn {
        loop.markDirty(self)
        break
      }
    }
    if rounds < Self.buffersPerTurn {
      speaks.outputSent()
      if !isClosed, let current = self.speaks, current.isFinished, !isDirty {
        return current.closesGently && !inputEnded ? linger() : close()
      }
    }
    updateWatch()
  }

  /// False when the socket takes no more, or is gone.
  private func sendBuffer(_ output: OutputBuffer) -> Bool {
    switch SystemCalls.send(descriptor, output.bytes) {
    case .bytes(let count):
      noteSent(count)
      if count == output.count { return true }
      unsent = Array(output.bytes[count...])
    case .wouldBlock:
      unsent = Array(output.bytes)
      lastOutput = loop.now
    case .end, .failed:
      close()
      return false
    }
    unsentStart = 0
    updateWatch()
    return false
  }

  private func sendUnsent() -> Bool {
    while unsentStart < unsent.count {
      let result = unsent.withUnsafeBytes {
        SystemCalls.send(descriptor, UnsafeRawBufferPointer(rebasing: $0[unsentStart...]))
      }
      switch result {
      case .bytes(let count):
        noteSent(count)
        unsentStart += count
      case .wouldBlock:
        updateWatch()
        return false
      case .end, .failed:
        close()
        return false
      }
    }
    if !unsent.isEmpty { unsent = [] }
    unsentStart = 0
    return true
  }

  private func noteSent(_ count: Int) {
    context.counters.bytesSent.add(count)
    lastOutput = loop.now
  }

  private func updateWatch() {
    guard !isClosed else { return }
    var events: UInt32 = 0
    if !inputEnded, speaks?.wantsInput ?? true { events |= EPOLLIN.rawValue }
    if unsentStart < unsent.count { events |= EPOLLOUT.rawValue }
    guard events != watched else { return }
    watched = events
    if !loop.watch(self, .modify, events: events) { close() }
  }

  // MARK: Time and end

  /// Closes what waited too long. Called by the loop a few times a second.
  func checkTime(now: Int) {
    let configuration = context.configuration
    switch stage {
    case .closed: return
    case .lingering(let since):
      let isQuiet = now - lastInput > 2_000_000_000 && now - since > 2_000_000_000
      if isQuiet || now - since > ServerContext.nanoseconds(configuration.discardSeconds) { close() }
    case .open:
      let isStuck =
        unsentStart < unsent.count
        && now - lastOutput > ServerContext.nanoseconds(configuration.writeStallSeconds)
      let isSilent = speaks == nil && now - opened > ServerContext.nanoseconds(configuration.headerSeconds)
      if isStuck || isSilent || !(speaks?.checkTime(now: now) ?? true) {
        context.counters.timeouts.add()
        close()
      } else if speaks != nil {
        loop.markDirty(self)
      }
    }
  }

  func drain(isFinal: Bool) {
    guard case .open = stage else { return }
    guard let speaks else { return close() }
    speaks.drain(isFinal: isFinal)
    loop.markDirty(self)
  }

  private func linger() {
    guard case .open = stage else { return }
    SystemCalls.shutdownSending(descriptor)
    stage = .lingering(since: loop.now)
    speaks?.lose()
    speaks = nil
    unsent = []
    unsentStart = 0
    updateWatch()
  }

  func close() {
    guard !isClosed else { return }
    stage = .closed
    speaks?.lose()
    loop.remove(self)
  }
}
