import CZlib

/// Inflates a request body (gzip or zlib) step by step, never beyond its limit.
///
/// Not thread safe: one delivery at a time uses it.
final class BodyDecoder: @unchecked Sendable {
  struct Failure: Error, Equatable {
    var status: Int
    var reason: String
  }

  // inflate keeps a pointer back to the stream, which must therefore never move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let limit: Int
  private var produced = 0
  private var isComplete = false
  private var sawInput = false
  private var step: [UInt8]

  init(limit: Int, stepBytes: Int = 64 << 10) {
    self.limit = limit
    step = [UInt8](repeating: 0, count: stepBytes)
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, and 32: zlib tells gzip and zlib headers apart by itself.
    let status = adze_inflate_init2(stream, 15 + 32)
    precondition(status == Z_OK, "out of memory")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Inflates `bytes` and hands on what comes out, at most `stepBytes` at a time. Throws 413 as soon as the
  /// limit is passed and 400 for bytes that are not what their coding claims.
  func decode(_ bytes: [UInt8], _ emit: ([UInt8]) -> Void) throws(Failure) {
    guard !bytes.isEmpty else { return }
    sawInput = true
    var offset = 0
    while offset < bytes.count {
      guard !isComplete else {
        throw Failure(status: 400, reason: "bytes follow the end of the compressed body")
      }
      let (used, made) = try inflateStep(bytes, from: offset)
      offset += used
      if made > 0 { emit(Array(step[..<made])) }
      if used == 0, made == 0, !isComplete { break }
    }
    try flush(emit)
  }

  /// Throws 400 when the compressed body is cut off. An empty body needs no coding.
  func finish() throws(Failure) {
    guard isComplete || !sawInput else {
      throw Failure(status: 400, reason: "the compressed body is cut off")
    }
  }

  /// Output that zlib holds although all input is used.
  private func flush(_ emit: ([UInt8]) -> Void) throws(Failure) {
    while !isComplete {
      let (_, made) = try inflateStep([], from: 0)
      if made == 0 { return }
      emit(Array(step[..<made]))
    }
  }

  private func inflateStep(_ bytes: [UInt8], from offset: Int) throws(Failure) -> (used: Int, made: Int) {
    let room = min(step.count, limit - produced + 1)
    let given = min(bytes.count - offset, Int(UInt32.max) >> 1)
    let status = bytes.withUnsafeBufferPointer { input in
      step.withUnsafeMutableBufferPointer { output in
        // zlib does not write to its input; the cast is C's missing const.
        stream.pointee.next_in = input.baseAddress.map { UnsafeMutablePointer(mutating: $0 + offset) }
        stream.pointee.avail_in = UInt32(given)
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(room)
        return inflate(stream, Z_NO_FLUSH)
      }
    }
    let made = room - Int(stream.pointee.avail_out)
    let used = given - Int(stream.pointee.avail_in)
    produced += made
    guard produced <= limit else {
      throw Failure(status: 413, reason: "the decoded body is larger than \(limit) bytes")
    }
    switch status {
    case Z_OK, Z_BUF_ERROR: break
    case Z_STREAM_END: isComplete = true
    default: throw Failure(status: 400, reason: "the compressed body is damaged")
    }
    return (used, made)
  }
}
