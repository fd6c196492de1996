import CNghttp2

/// HTTP/2 on one connection, by libnghttp2. Confined to the connection's loop.
final class HTTP2Connection: ConnectionProtocol, RequestWire {
  private unowned let connection: Connection
  private var context: ServerContext { connection.context }
  private var session: OpaquePointer!
  private var streams: [Int32: HTTP2Stream] = [:]
  /// The stream whose header block is arriving; blocks do not interleave.
  private var building: HTTP2Stream?
  private var buildingSince = 0
  private var idleSince: Int
  private var hasFailed = false
  /// After an upgrade nothing is sent before the client's first HTTP/2 bytes: curl 7.88 fails when more than
  /// 32 KB arrive together with the 101 response.
  private var awaitsPreface = false

  init(_ connection: Connection) {
    self.connection = connection
    idleSince = connection.loop.now
    let settings = connection.context.http2
    let user = Unmanaged.passUnretained(self).toOpaque()
    let status = nghttp2_session_server_new2(&session, settings.callbacks, user, settings.option)
    precondition(status == 0, "out of memory")
    let entries = settings.entries
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    nghttp2_session_set_local_window_size(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, settings.connectionWindow)
  }

  deinit { nghttp2_session_del(session) }

  /// Takes over a request that came as HTTP/1.1: it becomes stream 1 (RFC 7540 section 3.2).
  func upgrade(_ request: HTTP1Request, settings: [UInt8]) {
    let isHead: Int32 = request.head.method == "HEAD" ? 1 : 0
    guard nghttp2_session_upgrade2(session, settings, settings.count, isHead, nil) == 0 else {
      hasFailed = true
      return
    }
    let old = request.head
    let head = RequestHead(
      method: old.method, path: old.path, query: old.query, headers: old.headers, version: .http2,
      contentLength: 0, authority: old.authority)
    awaitsPreface = true
    let stream = HTTP2Stream(id: 1)
    streams[1] = stream
    let started = makeRequest(stream, head)
    started.start(hasBody: false, expectsContinue: false)
  }

  // MARK: Input

  /// Windows bound what clients send; reading goes on, so that control frames always get through.
  var wantsInput: Bool { true }

  func receive(_ bytes: UnsafeRawBufferPointer) {
    guard !hasFailed else { return }
    awaitsPreface = false
    let used = nghttp2_session_mem_recv(
      session, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    // What libnghttp2 wants to say about it is still sent.
    if used < 0 { hasFailed = true }
  }

  func receiveEnd() -> Bool { false }

  func beginHeaders(_ frame: nghttp2_frame) {
    guard frame.hd.type == UInt8(NGHTTP2_HEADERS.rawValue), frame.headers.cat == NGHTTP2_HCAT_REQUEST else {
      return
    }
    let stream = HTTP2Stream(id: frame.hd.stream_id)
    stream.builder = HTTP2RequestBuilder(limits: context.headLimits)
    streams[stream.id] = stream
    building = stream
    buildingSince = connection.loop.now
  }

  /// Trailers of a request are accepted and dropped.
  func header(
    _ frame: nghttp2_frame, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
  ) -> Bool {
    guard let building, building.id == frame.hd.stream_id else { return true }
    return building.builder?.add(name: name, value: value) ?? true
  }

  func frameReceived(_ frame: nghttp2_frame) {
    let endsStream = frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(frame.hd.type) {
    case NGHTTP2_HEADERS.rawValue:
      guard let stream = streams[frame.hd.stream_id] else { return }
      if frame.headers.cat == NGHTTP2_HCAT_REQUEST {
        begin(stream, hasBody: !endsStream)
      } else if endsStream {
        stream.request?.endBody()
      }
    case NGHTTP2_DATA.rawValue:
      if endsStream { streams[frame.hd.stream_id]?.request?.endBody() }
    default: break
    }
  }

  private func begin(_ stream: HTTP2Stream, hasBody: Bool) {
    building = nil
    guard let builder = stream.builder else { return }
    stream.builder = nil
    let (head, failure) = builder.finish(hasBody: hasBody)
    let request = makeRequest(stream, head)
    if let failure {
      request.start(refusing: failure, hasBody: hasBody)
    } else {
      request.start(hasBody: hasBody, expectsContinue: head.headers["expect"] != nil)
    }
  }

  private func makeRequest(_ stream: HTTP2Stream, _ head: RequestHead) -> RequestStream {
    let request = RequestStream(
      id: ExchangeID(connection: connection.id, stream: stream.id), head: head, wire: self,
      driver: connection.loop, context: context, now: connection.loop.now)
    stream.request = request
    return request
  }

  func dataReceived(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {
    // The connection's window is given back at once: one slow body must not stop the others. Memory is bounded by
    // the streams' windows.
    nghttp2_session_consume_connection(session, bytes.count)
    let credit = streams[id]?.request?.receive(bytes, now: connection.loop.now) ?? bytes.count
    if credit > 0 { nghttp2_session_consume_stream(session, id, credit) }
  }

  func streamClosed(_ id: Int32, code: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    if building === stream { building = nil }
    if let request = stream.request {
      if stream.isSourceDone, code == NGHTTP2_NO_ERROR.rawValue {
        request.finish()
      } else {
        request.cancel("the stream was reset")
      }
    }
    if streams.isEmpty { idleSince = connection.loop.now }
  }

  // MARK: Output

  func send(_ head: ResponseHead, _ body: BodySource, for request: RequestStream) {
    guard let stream = streams[request.id.stream], stream.request === request else { return }
    let isBodiless =
      ResponseFields.isBodiless(head.status) || request.head.method == "HEAD" || body.length == 0
    let block = connection.loop.headerBlock
    block.removeAll()
    block.add(":status", String(head.status).utf8)
    let allowsLength = request.head.method == "HEAD" || head.status == 304
    let hasLength = allowsLength && head.headers["content-length"] != nil
    block.add(head.headers, keepsLength: allowsLength)
    block.add("date", connection.loop.date)
    if !ResponseFields.isBodiless(head.status), !hasLength, let length = body.length {
      block.add("content-length", String(length).utf8)
    }
    stream.lastProgress = connection.loop.now
    if isBodiless {
      stream.isSourceDone = true
      submit(block, for: stream, nil)
    } else {
      stream.source = body
      var provider = nghttp2_data_provider()
      provider.read_callback = HTTP2Callbacks.readBody
      withUnsafePointer(to: provider) { submit(block, for: stream, $0) }
    }
  }

  private func submit(
    _ block: HeaderBlock, for stream: HTTP2Stream, _ provider: UnsafePointer<nghttp2_data_provider>?
  ) {
    let status = block.withEntries { nghttp2_submit_response(session, stream.id, $0, $1, provider) }
    if status != 0 { reset(stream, NGHTTP2_INTERNAL_ERROR) }
  }

  func sendContinue(for request: RequestStream) {
    let block = connection.loop.headerBlock
    block.removeAll()
    block.add(":status", "100".utf8)
    let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    _ = block.withEntries { nghttp2_submit_headers(session, none, request.id.stream, nil, $0, $1, nil) }
  }

  func giveBack(_ bytes: Int, for request: RequestStream) {
    nghttp2_session_consume_stream(session, request.id.stream, bytes)
  }

  func abort(_ request: RequestStream) {
    guard let stream = streams[request.id.stream] else { return }
    // A complete response stands; only the rest of the body is not wanted.
    reset(stream, stream.isSourceDone ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL)
  }

  private func reset(_ stream: HTTP2Stream, _ code: nghttp2_error_code) {
    nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, UInt32(code.rawValue))
  }

  /// libnghttp2 asks for body bytes when there is window for them.
  func readBody(
    _ id: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ flags: UnsafeMutablePointer<UInt32>
  ) -> Int {
    guard let stream = streams[id] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    stream.lastProgress = connection.loop.now
    switch stream.source.read(into: buffer) {
    case .bytes(let count):
      if stream.source.isAtEnd { endBody(stream, flags) }
      return count
    case .end:
      endBody(stream, flags)
      return 0
    case .blocked:
      stream.isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    case .cut:
      return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
  }

  private func endBody(_ stream: HTTP2Stream, _ flags: UnsafeMutablePointer<UInt32>) {
    stream.isSourceDone = true
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
    let trailers = stream.source.trailers
    guard trailers.count > 0 else { return }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
    let block = connection.loop.headerBlock
    block.removeAll()
    block.add(trailers, keepsLength: false)
    _ = block.withEntries { nghttp2_submit_trailer(session, stream.id, $0, $1) }
  }

  func produce(into output: OutputBuffer) {
    guard !awaitsPreface else { return }
    while !output.isFull {
      var bytes: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &bytes)
      if count < 0 { hasFailed = true }
      guard count > 0 else { return }
      output.append(UnsafeRawBufferPointer(start: bytes, count: count))
    }
  }

  func outputSent() {}

  var isFinished: Bool {
    hasFailed || nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
  }

  var closesGently: Bool { true }

  // MARK: Events

  func take(_ message: ExchangeMessage, stream id: Int32) {
    guard let stream = streams[id], let request = stream.request else { return }
    if case .streamReady = message {
      // Its reader may not let another byte through.
      if stream.source.isCut { return reset(stream, NGHTTP2_INTERNAL_ERROR) }
      guard stream.isDeferred else { return }
      stream.isDeferred = false
      nghttp2_session_resume_data(session, id)
    } else {
      request.take(message)
    }
  }

  func checkTime(now: Int) -> Bool {
    let configuration = context.configuration
    if awaitsPreface, now - idleSince > ServerContext.nanoseconds(configuration.headerSeconds) {
      return false
    }
    if building != nil, now - buildingSince > ServerContext.nanoseconds(configuration.headerSeconds) {
      return false
    }
    if streams.isEmpty {
      if now - idleSince > ServerContext.nanoseconds(configuration.keepAliveSeconds) {
        nghttp2_session_terminate_session(session, UInt32(NGHTTP2_NO_ERROR.rawValue))
      }
      return true
    }
    let stall = ServerContext.nanoseconds(configuration.writeStallSeconds)
    for stream in streams.values {
      stream.request?.checkTime(now: now)
      let isSending = stream.request?.isAnswered == true && !stream.isSourceDone && !stream.isDeferred
      if isSending, now - stream.lastProgress > stall {
        context.counters.timeouts.add()
        reset(stream, NGHTTP2_CANCEL)
      }
    }
    return true
  }

  func drain(isFinal: Bool) {
    if isFinal {
      let last = nghttp2_session_get_last_proc_stream_id(session)
      nghttp2_submit_goaway(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, UInt32(NGHTTP2_NO_ERROR.rawValue), nil, 0)
    } else {
      nghttp2_submit_shutdown_notice(session)
    }
  }

  func lose() {
    let open = streams.values
    streams = [:]
    for stream in open { stream.request?.cancel("the connection was closed") }
  }
}
