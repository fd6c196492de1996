import CZlib

enum Gzip {
  /// The bytes in gzip form; nil when that is not smaller than they are.
  static func compress(_ bytes: [UInt8], level: Int) -> [UInt8]? {
    guard !bytes.isEmpty, bytes.count < Int(UInt32.max) >> 1 else { return nil }
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    // 15 bits of window, and 16 for the gzip header.
    guard adze_deflate_init2(stream, Int32(level), 15 + 16) == Z_OK else { return nil }
    defer { deflateEnd(stream) }
    let result = [UInt8](unsafeUninitializedCapacity: bytes.count) { output, count in
      let status = bytes.withUnsafeBufferPointer { input in
        // zlib does not write to its input; the cast is C's missing const.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress!)
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress!
        stream.pointee.avail_out = UInt32(output.count)
        return deflate(stream, Z_FINISH)
      }
      count = status == Z_STREAM_END ? output.count - Int(stream.pointee.avail_out) : 0
    }
    return result.isEmpty ? nil : result
  }
}
