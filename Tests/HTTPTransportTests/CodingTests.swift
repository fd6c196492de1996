import CZlib
import Testing

@testable import HTTPTransport

private func deflated(_ bytes: [UInt8], windowBits: Int32) -> [UInt8] {
  var stream = z_stream()
  #expect(adze_deflate_init2(&stream, 6, windowBits) == Z_OK)
  defer { deflateEnd(&stream) }
  var input = bytes
  var output = [UInt8](repeating: 0, count: bytes.count + 1000)
  let count = input.withUnsafeMutableBufferPointer { input in
    output.withUnsafeMutableBufferPointer { output in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(input.count)
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(output.count)
      #expect(deflate(&stream, Z_FINISH) == Z_STREAM_END)
      return output.count - Int(stream.avail_out)
    }
  }
  return Array(output[..<count])
}

private func inflate(_ bytes: [UInt8], limit: Int, step: Int = Int.max) throws -> [UInt8] {
  let decoder = BodyDecoder(limit: limit, stepBytes: 1000)
  var result: [UInt8] = []
  var start = 0
  while start < bytes.count {
    let end = step >= bytes.count - start ? bytes.count : start + step
    try decoder.decode(Array(bytes[start..<end])) { piece in
      #expect(!piece.isEmpty && piece.count <= 1000)
      result.append(contentsOf: piece)
    }
    start = end
  }
  try decoder.finish()
  return result
}

struct CodingTests {
  static let sample = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }

  @Test(arguments: [31, 15] as [Int32], [1, 100, Int.max]) func roundTrip(windowBits: Int32, step: Int) throws
  {
    let packed = deflated(Self.sample, windowBits: windowBits)
    let isSame = try inflate(packed, limit: Self.sample.count, step: step) == Self.sample
    #expect(isSame)
  }

  @Test func ourOwnGzip() throws {
    let text = Array(String(repeating: "0.125,", count: 2000).utf8)
    let packed = try #require(Gzip.compress(text, level: 2))
    #expect(packed.count < text.count / 10)
    let isSame = try inflate(packed, limit: text.count) == text
    #expect(isSame)
    #expect(Gzip.compress([1, 2, 3], level: 2) == nil)
  }

  @Test func theLimitIsInclusive() {
    let packed = deflated(Self.sample, windowBits: 31)
    #expect(throws: Never.self) { try inflate(packed, limit: Self.sample.count) }
    #expect(throws: BodyDecoder.Failure.self) { try inflate(packed, limit: Self.sample.count - 1) }
  }

  @Test func aBombStopsAtTheLimit() {
    let bomb = deflated([UInt8](repeating: 0, count: 20 << 20), windowBits: 31)
    let decoder = BodyDecoder(limit: 100_000)
    var produced = 0
    #expect(throws: BodyDecoder.Failure(status: 413, reason: "the decoded body is larger than 100000 bytes"))
    {
      try decoder.decode(bomb) { produced += $0.count }
    }
    #expect(produced <= 100_000)
  }

  @Test func damageIsFound() {
    let packed = deflated(Self.sample, windowBits: 31)
    let broken: [[UInt8]] = [
      Array(packed.dropLast()), packed + [0], Array("not gzip at all".utf8), Array(packed[..<5]),
      Array(packed.dropLast(8)) + [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    for bytes in broken {
      do {
        _ = try inflate(bytes, limit: 1 << 20)
        Issue.record("damaged bytes were taken")
      } catch {
        #expect((error as? BodyDecoder.Failure)?.status == 400)
      }
    }
  }

  @Test func compressibleTypes() {
    for type in ["application/json", "text/plain; charset=utf-8", "TEXT/HTML", "application/problem+json"] {
      #expect(ResponseCoding.isCompressible(type))
    }
    for type in ["application/octet-stream", "image/png", nil] {
      #expect(!ResponseCoding.isCompressible(type))
    }
  }
}
