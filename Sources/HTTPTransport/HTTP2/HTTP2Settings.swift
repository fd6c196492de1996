import CNghttp2

/// libnghttp2's callbacks and options, made once per server; every session copies them.
///
/// Safe to share: nothing changes after init.
final class HTTP2Settings: @unchecked Sendable {
  let callbacks: OpaquePointer
  let option: OpaquePointer
  let concurrentStreams: UInt32
  let streamWindow: UInt32
  let connectionWindow: Int32
  let headerListBytes: UInt32

  init(_ configuration: TransportConfiguration) {
    var callbacks: OpaquePointer?
    var option: OpaquePointer?
    precondition(nghttp2_session_callbacks_new(&callbacks) == 0, "out of memory")
    precondition(nghttp2_option_new(&option) == 0, "out of memory")
    self.callbacks = callbacks!
    self.option = option!
    concurrentStreams = UInt32(configuration.concurrentStreams)
    streamWindow = UInt32(configuration.streamWindowBytes)
    connectionWindow = Int32(configuration.connectionWindowBytes)
    headerListBytes = UInt32(configuration.headerBytes)
    HTTP2Callbacks.install(self.callbacks)
    // Windows are opened by hand, when a body's bytes have been used.
    nghttp2_option_set_no_auto_window_update(self.option, 1)
    // Closed streams are kept for the priority tree of RFC 7540 only, which is not used.
    nghttp2_option_set_no_closed_streams(self.option, 1)
    nghttp2_option_set_stream_reset_rate_limit(
      self.option, UInt64(configuration.resetBurst), UInt64(configuration.resetsPerSecond))
    nghttp2_option_set_max_outbound_ack(self.option, 1000)
    nghttp2_option_set_max_settings(self.option, 32)
  }

  deinit {
    nghttp2_session_callbacks_del(callbacks)
    nghttp2_option_del(option)
  }

  /// The entries of the server's first SETTINGS frame.
  var entries: [nghttp2_settings_entry] {
    [
      entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, concurrentStreams),
      entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, streamWindow),
      entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, headerListBytes),
      entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
    ]
  }

  private func entry(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
    nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
  }
}
