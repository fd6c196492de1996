import CLinux
import Dispatch
import Synchronization

/// Serves its connections from one epoll set, which one Dispatch source watches.
///
/// While traffic flows, the source's handler stays in a blocking `epoll_wait`: a wake-up then costs one system
/// call, where a source per connection costs about ten and two thread switches. When nothing has come for
/// `lingerMilliseconds`, the handler returns and the loop costs no thread.
///
/// Everything but `post` and the counters is confined to `queue`.
final class EventLoop: ExchangeDriver, @unchecked Sendable {
  let context: ServerContext
  /// Its target is the default one: a loop that lingers must not occupy a thread of the global queues.
  private let queue: DispatchQueue
  private let poll: Int32
  private let wakeUp: Int32
  private let timer: Int32
  private var source: (any DispatchSourceRead)?
  private let mailbox = Mailbox()
  private let thread = Atomic<UInt>(0)
  private let load = Atomic<Int>(0)

  private var inbox: [LoopMessage] = []
  private var ownMessages: [LoopMessage] = []
  private var connections: [Connection?] = []
  private var generations: [UInt32] = []
  private var freeSlots: [UInt32] = []
  private var openCount = 0
  private var dirty: [Connection] = []
  /// Closed in this turn. Kept until its end: later events of the same batch may still name them.
  private var graveyard: [Connection] = []
  private var drainDeadline: Int?
  private var goAwayTime: Int?
  private var drained: [@Sendable () -> Void] = []

  let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
  let output = OutputBuffer(goal: 128 << 10)
  let headerBlock = HeaderBlock()
  private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)
  /// Monotonic nanoseconds at this turn's start.
  private(set) var now = SystemCalls.monotonicNanoseconds()
  private var dateHeader = DateHeader()

  private static let wakeUpToken = UInt64.max
  private static let timerToken = UInt64.max - 1

  init(index: Int, context: ServerContext) throws(TransportError) {
    self.context = context
    queue = DispatchQueue(label: "http.loop.\(index)")
    poll = try SystemCalls.makePoll()
    wakeUp = try SystemCalls.makeEvent()
    timer = try SystemCalls.makeTimer()
    _ = SystemCalls.changePoll(poll, .add, wakeUp, events: EPOLLIN.rawValue, token: Self.wakeUpToken)
    _ = SystemCalls.changePoll(poll, .add, timer, events: EPOLLIN.rawValue, token: Self.timerToken)
  }

  deinit {
    readBuffer.deallocate()
    events.deallocate()
    for descriptor in [poll, wakeUp, timer] { SystemCalls.close(descriptor) }
  }

  /// Connections that this loop has, or is about to get.
  var connectionLoad: Int { load.load(ordering: .relaxed) }

  /// The source keeps the loop alive until `drain` has ended.
  func start() {
    let source = DispatchSource.makeReadSource(fileDescriptor: poll, queue: queue)
    source.setEventHandler { self.run() }
    queue.sync { self.source = source }
    source.activate()
  }

  // MARK: Messages

  var isCurrentThread: Bool { thread.load(ordering: .relaxed) == SystemCalls.currentThread() }

  func post(_ message: ExchangeMessage, to exchange: ExchangeID) {
    if isCurrentThread {
      ownMessages.append(.exchange(exchange, message))
    } else {
      send(.exchange(exchange, message))
    }
  }

  /// Hands over an accepted socket.
  func adopt(_ descriptor: Int32) {
    load.wrappingAdd(1, ordering: .relaxed)
    if !send(.adopt(descriptor)) { SystemCalls.close(descriptor) }
  }

  /// Calls `completion` when every connection is closed: those in flight when they are done, all at the deadline.
  func drain(deadline: Int, completion: @escaping @Sendable () -> Void) {
    if !send(.drain(deadline: deadline, completion: completion)) { completion() }
  }

  /// False when the loop has ended.
  @discardableResult
  private func send(_ message: LoopMessage) -> Bool {
    switch mailbox.post(message) {
    case .wake: SystemCalls.signal(wakeUp)
    case .quiet: break
    case .closed: return false
    }
    return true
  }

  // MARK: Turns

  private func run() {
    thread.store(SystemCalls.currentThread(), ordering: .relaxed)
    defer { thread.store(0, ordering: .relaxed) }
    while turn(), source != nil {}
  }

  /// One wait, what it brought, and one flush of every connection touched. False when it brought nothing.
  private func turn() -> Bool {
    let isBusy = !dirty.isEmpty || !ownMessages.isEmpty
    let wait = isBusy ? 0 : Int32(context.configuration.lingerMilliseconds)
    let count = SystemCalls.wait(poll, events, milliseconds: wait)
    now = SystemCalls.monotonicNanoseconds()
    var isActive = isBusy
    for event in events[..<count] {
      switch event.data.u64 {
      case Self.wakeUpToken:
        SystemCalls.acknowledge(wakeUp)
        isActive = true
      case Self.timerToken:
        SystemCalls.acknowledge(timer)
        tick()
      default:
        connection(at: event.data.u64)?.ready(event.events)
        isActive = true
      }
    }
    handleMessages()
    // Before the answers are written, which takes its time; these may let connections hand over more.
    context.handler.endTurn()
    flushDirty()
    context.handler.endTurn()
    graveyard.removeAll()
    endDrainIfDone()
    return isActive
  }

  private func handleMessages() {
    mailbox.takeAll(into: &inbox)
    var messages = inbox
    inbox = []
    messages.append(contentsOf: ownMessages)
    ownMessages.removeAll()
    for message in messages {
      switch message {
      case .adopt(let descriptor): open(descriptor)
      case .exchange(let id, let message):
        connection(named: id.connection)?.take(message, stream: id.stream)
      case .drain(let deadline, let completion): beginDrain(deadline, completion)
      }
    }
  }

  private func flushDirty() {
    // Flushing may dirty a connection again; that one waits for the next turn.
    let batch = dirty
    dirty = []
    for connection in batch {
      connection.isDirty = false
      connection.flush()
    }
  }

  func markDirty(_ connection: Connection) {
    guard !connection.isDirty else { return }
    connection.isDirty = true
    dirty.append(connection)
  }

  // MARK: Connections

  private func open(_ descriptor: Int32) {
    guard drainDeadline == nil else {
      load.wrappingSubtract(1, ordering: .relaxed)
      return SystemCalls.close(descriptor)
    }
    if freeSlots.isEmpty {
      freeSlots.append(UInt32(connections.count))
      connections.append(nil)
      generations.append(0)
    }
    let slot = freeSlots.removeLast()
    let id = ConnectionID(slot: slot, generation: generations[Int(slot)])
    let connection = Connection(id: id, descriptor: descriptor, loop: self)
    connections[Int(slot)] = connection
    openCount += 1
    context.counters.connectionsOpen.add()
    if openCount == 1 { SystemCalls.setTimer(timer, everyNanoseconds: tickNanoseconds) }
    if !connection.open() { connection.close() }
  }

  /// Forgets a closed connection.
  func remove(_ connection: Connection) {
    let slot = Int(connection.id.slot)
    guard connections[slot] === connection else { return }
    _ = SystemCalls.changePoll(poll, .remove, connection.descriptor, events: 0, token: 0)
    SystemCalls.close(connection.descriptor)
    graveyard.append(connection)
    connections[slot] = nil
    // A slot whose generations are used up is never reused.
    if generations[slot] < UInt32.max {
      generations[slot] += 1
      freeSlots.append(connection.id.slot)
    }
    openCount -= 1
    load.wrappingSubtract(1, ordering: .relaxed)
    context.counters.connectionsOpen.add(-1)
    if openCount == 0, drainDeadline == nil { SystemCalls.setTimer(timer, everyNanoseconds: 0) }
  }

  func watch(_ connection: Connection, _ change: SystemCalls.PollChange, events: UInt32) -> Bool {
    let token = UInt64(connection.id.generation) << 32 | UInt64(connection.id.slot)
    return SystemCalls.changePoll(poll, change, connection.descriptor, events: events, token: token)
  }

  private func connection(at token: UInt64) -> Connection? {
    connection(
      named: ConnectionID(
        slot: UInt32(truncatingIfNeeded: token), generation: UInt32(truncatingIfNeeded: token >> 32)))
  }

  private func connection(named id: ConnectionID) -> Connection? {
    let slot = Int(id.slot)
    guard slot < connections.count, generations[slot] == id.generation else { return nil }
    return connections[slot]
  }

  // MARK: Time

  /// The value of the `date` field.
  var date: [UInt8] {
    if dateHeader.needsRefresh(now: now) { dateHeader = DateHeader() }
    return dateHeader.bytes
  }

  /// How often waiting times are checked: a quarter of the shortest one, between 20 ms and 1 s.
  private var tickNanoseconds: Int {
    let configuration = context.configuration
    let shortest = min(
      configuration.headerSeconds, configuration.bodyIdleSeconds, configuration.keepAliveSeconds,
      configuration.writeStallSeconds, configuration.discardSeconds)
    return Int(min(max(shortest / 4, 0.02), 1) * 1e9)
  }

  private func tick() {
    if let goAwayTime, now >= goAwayTime {
      self.goAwayTime = nil
      for connection in connections { connection?.drain(isFinal: true) }
    }
    let isOverdue = drainDeadline.map { now >= $0 } ?? false
    for connection in connections {
      if isOverdue { connection?.close() } else { connection?.checkTime(now: now) }
    }
  }

  // MARK: Drain

  /// HTTP/2 clients are warned first and told the last stream 100 ms later, so that requests on their way are not
  /// lost.
  private func beginDrain(_ deadline: Int, _ completion: @escaping @Sendable () -> Void) {
    drained.append(completion)
    drainDeadline = min(drainDeadline ?? Int.max, deadline)
    goAwayTime = goAwayTime ?? now + 100_000_000
    SystemCalls.setTimer(timer, everyNanoseconds: 20_000_000)
    for connection in connections { connection?.drain(isFinal: false) }
  }

  private func endDrainIfDone() {
    guard drainDeadline != nil, openCount == 0, source != nil else { return }
    let rest = mailbox.close()
    for message in rest {
      switch message {
      case .adopt(let descriptor): SystemCalls.close(descriptor)
      case .drain(_, let completion): drained.append(completion)
      case .exchange: break
      }
    }
    source?.cancel()
    source = nil
    for completion in drained { completion() }
    drained = []
  }
}
