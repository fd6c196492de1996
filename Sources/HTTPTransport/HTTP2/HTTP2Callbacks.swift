import CNghttp2

/// The C functions that libnghttp2 calls. Each finds its connection and calls one method; none lets an error
/// cross C.
enum HTTP2Callbacks {
  static func install(_ callbacks: OpaquePointer) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, user in
      connection(user).beginHeaders(frame!.pointee)
      return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, frame, name, nameLength, value, valueLength, _, user in
      let accepted = connection(user).header(
        frame!.pointee, name: UnsafeRawBufferPointer(start: name, count: nameLength),
        value: UnsafeRawBufferPointer(start: value, count: valueLength))
      return accepted ? 0 : Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    // Without this, fields that HTTP does not allow would be left out silently.
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) { _, _, _, _, _, _, _, _ in
      Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, user in
      connection(user).frameReceived(frame!.pointee)
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, data, length, user in
      connection(user).dataReceived(stream, UnsafeRawBufferPointer(start: data, count: length))
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, user in
      connection(user).streamClosed(stream, code: code)
      return 0
    }
  }

  /// Reads the next bytes of a response body.
  static let readBody: nghttp2_data_source_read_callback = { _, stream, buffer, length, flags, _, user in
    connection(user).readBody(stream, UnsafeMutableRawBufferPointer(start: buffer, count: length), flags!)
  }
}

/// The session is deleted in its connection's deinit, so the connection is alive in every callback.
private func connection(_ user: UnsafeMutableRawPointer?) -> HTTP2Connection {
  Unmanaged<HTTP2Connection>.fromOpaque(user!).takeUnretainedValue()
}
