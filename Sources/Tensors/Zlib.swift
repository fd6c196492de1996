import CZlib

/// The few things that zlib is needed for here: inflating a member of known size, checksums, and how small
/// a file gets.
public enum Zlib {
  /// A deflate stream expands at most 1032-fold (zlib's technical notes), so a larger claim is a lie.
  static let largestExpansion = 1032

  /// The `size` bytes that the raw deflate stream `bytes` holds.
  /// - Throws: `TensorError.malformedFile` when the stream is damaged or holds fewer or more bytes.
  public static func inflateRaw(_ bytes: UnsafeRawBufferPointer, size: Int) throws(TensorError) -> [UInt8] {
    let mismatch = TensorError.malformedFile("deflated data does not hold the \(size) bytes that it claims")
    if size / largestExpansion > bytes.count { throw mismatch }
    var stream = z_stream()
    guard adze_inflate_init2(&stream, -MAX_WBITS) == Z_OK else { throw .outOfMemory(bytes: size) }
    defer { inflateEnd(&stream) }
    var status = Z_OK
    // One spare byte tells a stream that holds more than it claims from one that ends exactly.
    var output = [UInt8](repeating: 0, count: size + 1)
    var produced = 0
    output.withUnsafeMutableBufferPointer { output in
      var consumed = 0
      while status == Z_OK && produced < output.count {
        let input = min(bytes.count - consumed, Int(Int32.max))
        let room = min(output.count - produced, Int(Int32.max))
        stream.next_in = UnsafeMutablePointer(
          mutating: bytes.baseAddress.map { ($0 + consumed).assumingMemoryBound(to: UInt8.self) })
        stream.avail_in = UInt32(input)
        stream.next_out = output.baseAddress! + produced
        stream.avail_out = UInt32(room)
        status = inflate(&stream, Z_NO_FLUSH)
        consumed += input - Int(stream.avail_in)
        produced += room - Int(stream.avail_out)
      }
    }
    guard status == Z_STREAM_END, produced == size else { throw mismatch }
    output.removeLast()
    return output
  }

  public static func crc(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(crc32_z(0, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
  }

  /// How many bytes gzip (level 6) makes of `bytes`; nil when zlib has no memory.
  public static func gzipByteCount(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var stream = z_stream()
    guard adze_deflate_init2(&stream, 6, MAX_WBITS + 16) == Z_OK else { return nil }
    defer { deflateEnd(&stream) }
    var sink = [UInt8](repeating: 0, count: 1 << 16)
    var (consumed, produced) = (0, 0)
    var status = Z_OK
    while status == Z_OK {
      let input = min(bytes.count - consumed, Int(Int32.max))
      stream.next_in = UnsafeMutablePointer(
        mutating: bytes.baseAddress.map { ($0 + consumed).assumingMemoryBound(to: UInt8.self) })
      stream.avail_in = UInt32(input)
      let isLast = consumed + input == bytes.count
      sink.withUnsafeMutableBufferPointer { sink in
        stream.next_out = sink.baseAddress
        stream.avail_out = UInt32(sink.count)
        status = deflate(&stream, isLast ? Z_FINISH : Z_NO_FLUSH)
        produced += sink.count - Int(stream.avail_out)
      }
      consumed += input - Int(stream.avail_in)
    }
    return status == Z_STREAM_END ? produced : nil
  }
}
