import Testing

@testable import HTTPTransport

private func decode(_ text: String, step: Int = Int.max) throws -> (
  body: String, rest: String, isComplete: Bool
) {
  let bytes = Array(text.utf8)
  var decoder = ChunkDecoder(
    extensionLimit: 20, trailerLimits: HeadLimits(requestLineBytes: 0, headerBytes: 40, headerCount: 2))
  var body: [UInt8] = []
  var start = 0
  while start < bytes.count {
    let part = Array(bytes[start..<(step >= bytes.count - start ? bytes.count : start + step)])
    var position = 0
    var isComplete = false
    try part.withUnsafeBytes { part in
      while true {
        let event = try decoder.next(part, at: &position)
        if case .body(let range) = event {
          body.append(contentsOf: part[range])
        } else {
          isComplete = event == .end
          return
        }
      }
    }
    start += position
    if isComplete {
      return (String(decoding: body, as: UTF8.self), String(decoding: bytes[start...], as: UTF8.self), true)
    }
  }
  return (String(decoding: body, as: UTF8.self), "", false)
}

struct ChunkDecoderTests {
  @Test(arguments: 1...40) func inPieces(step: Int) throws {
    let text = "5;a=b\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nB:2\r\n\r\nGET /"
    let result = try decode(text, step: step)
    #expect(result.body == "hello0123456789")
    #expect(result.isComplete)
    #expect(result.rest == "GET /")
  }

  @Test func emptyBody() throws {
    #expect(try decode("0\r\n\r\n").body == "")
    #expect(try decode("0\r\n\r\n").isComplete)
    #expect(try decode("0\r\n\r").isComplete == false)
  }

  @Test(arguments: [
    "\r\n", "x\r\n", " 5\r\nhello", "5 \r\nhello", "-5\r\n", "0x5\r\nhello", "5\nhello\r\n", "5\r\nhello\n",
    "5\r\nhello!\r\n", "5\rhello", "1234567890123456\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5;a\u{0}\r\n",
    "5;" + String(repeating: "a", count: 21) + "\r\n", "0\r\n\n", "0\r\nX\r\n\r\n", "0\r\n X: 1\r\n\r\n",
    "0\r\nX : 1\r\n\r\n",
  ])
  func refused(text: String) {
    for step in [1, Int.max] {
      #expect(throws: RequestFailure.self) { try decode(text, step: step) }
    }
  }

  @Test func extensionsOfAllChunksCountTogether() {
    let chunk = "1;aaaaaaaaa\r\nx\r\n"
    #expect(throws: Never.self) { try decode(chunk + chunk) }
    #expect(throws: RequestFailure.self) { try decode(chunk + chunk + chunk) }
  }

  @Test func trailersAreLimited() {
    #expect(throws: RequestFailure(status: 431, reason: "the trailer fields are too large")) {
      try decode("0\r\nA:1\r\nB:2\r\nC:3\r\n\r\n")
    }
    #expect(throws: RequestFailure(status: 431, reason: "the trailer fields are too large")) {
      try decode("0\r\nA:" + String(repeating: "1", count: 40))
    }
  }
}
